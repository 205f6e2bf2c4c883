"""Does a JPEG hold all of its image? libjpeg fills what is missing before the end marker with grey, without an error.

A file that was cut and closed again is found in two ways: by the scans that it lacks, and by adding data before the end
marker, which changes the decoded pixels only if the decoder still needed some. Only Huffman-coded files can be told:
in arithmetic coding, an encoder may leave out final zeros.
"""

import re
from typing import NamedTuple

MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")  # neither an escaped byte nor a restart in the middle of a scan
RESTART = re.compile(rb"\xff([\xd0-\xd7])")
SEQUENTIAL, PROGRESSIVE = (0xC0, 0xC1), 0xC2  # frames with Huffman coding
OTHER_FRAMES = (0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
END, SCAN, RESTART_INTERVAL = 0xD9, 0xDA, 0xDD
MORE = bytes((index * 97 + 41) % 251 for index in range(1024))  # data of no pattern, without 0xff


class Scans(NamedTuple):
    """`end`: offset of the end marker, if there is one; `complete`: every bit of every coefficient is in some scan."""

    end: int | None
    complete: bool
    restarts: bool


def lacks_scans(value: bytes) -> bool:
    """Whether a Huffman-coded JPEG ends before its last scan."""
    scans = _scans(value)
    return scans is not None and not scans.complete


def with_more_data(value: bytes) -> bytes | None:
    """The JPEG with data added before its end, which decodes to the same pixels if it was complete; None if that says
    nothing about it."""
    scans = _scans(value)
    if scans is None or scans.end is None:
        return None
    more = MORE
    if scans.restarts:  # the decoder may be waiting for the next restart marker, of which there are eight in turn
        found = RESTART.findall(value, 0, scans.end)
        last = found[-1][0] - 0xD0 if found else -1
        more = b"".join(MORE + bytes([0xFF, 0xD0 + (last + turn) % 8]) for turn in range(1, 9))
    return value[: scans.end] + more + value[scans.end :]


def _scans(value: bytes) -> Scans | None:
    """What the markers of a Huffman-coded JPEG say; None for anything else."""
    left: dict[int, list[int]] = {}  # lowest bit of the coefficients that is in no scan yet, by component
    place, restarts, end = 2, False, None
    while found := MARKER.search(value, place):
        kind, place = found[1][0], found.end()
        if kind == END:
            end = found.start()
            break
        size = int.from_bytes(value[place : place + 2], "big")
        content = value[place + 2 : place + size]
        place += size
        try:
            if kind in SEQUENTIAL or kind == PROGRESSIVE:
                left = {content[6 + 3 * index]: [1] * 64 for index in range(content[5])}
            elif kind in OTHER_FRAMES:
                return None
            elif kind == RESTART_INTERVAL:
                restarts = int.from_bytes(content, "big") > 0
            elif kind == SCAN:
                first, last, bits = content[1 + 2 * content[0] :][:3]
                for component in content[1 : 1 + 2 * content[0] : 2]:
                    left[component][first : last + 1] = [bits & 15] * (last + 1 - first)
        except (IndexError, KeyError, ValueError):
            return None
    return Scans(end, not any(map(any, left.values())), restarts) if left else None
