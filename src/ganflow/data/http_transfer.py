"""The transfer of one file from an HTTP server that may stall, break off, lie or change it.

No byte that is there is given up for less: an answer that begins anew is compared with the part, and where the digest
is known, one mirror goes on where another stopped. What can't be right is refused with what came and from where.
"""

import hashlib
import os
import random
import re
import shutil
import time
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import BinaryIO

import requests
import urllib3

from ganflow.data.partial_file import PartialFile
from ganflow.errors import UserError
from ganflow.progress import Progress

TRIES = 5  # in a row that bring less than a block more
PAUSE = 1.0  # seconds before the second try, doubled for each further one, and spread so that clients do not march
LONGEST_PAUSE = 120.0  # seconds, also when a server asks for more by Retry-After
TIMEOUT = (20.0, 60.0)  # seconds to connect, and without a byte
SLOWEST, WINDOW = 1 << 10, 120.0  # bytes a second over so many seconds: what is slower has stalled
PASSING = {408, 425, 429, 500, 502, 503, 504}  # HTTP answers worth another try
BLOCK = 64 << 10  # bytes; a slow host fills it in a second


class Refused(Exception):
    """A location that won't bring the file: what came, and what to do."""


class _Interrupted(Exception):
    """The transfer broke in a way that another try may mend, not before `wait` seconds."""

    def __init__(self, reason: str, wait: float = 0.0):
        super().__init__(reason)
        self.wait = wait


class Transfer:
    """The way of a part towards a whole: `sha256` and `expected` bytes are what it must have, if that is known."""

    def __init__(self, part: PartialFile, name: str, sha256: str | None, expected: int | None):
        self.part, self.name, self.sha256, self.expected = part, name, sha256, expected
        self.whole = False  # ask for the whole, because an answer to a range was wrong

    def complete(self, location: str) -> None:
        """Tries until the part is the whole; raises Refused when tries bring nothing any more.

        What was there, or was joined from several answers, and has not the digest, is begun anew, once.
        """
        self.whole, found = False, self.part.complete
        self._bring(location)
        if (found or self.part.joined) and self.sha256 not in (None, self.part.sha256()):
            self.part.forget()
            self._bring(location)

    def _bring(self, location: str) -> None:
        most, failures = self.part.have, 0
        while not self.part.complete:
            try:
                self._request(location)
            except _Interrupted as error:
                have = self.part.have
                failures = 1 if have >= most + BLOCK else failures + 1
                most = max(most, have)
                if failures >= TRIES:
                    raise Refused(
                        f"gave up after {TRIES} tries that brought nothing more ({error}); {have} bytes are kept, run "
                        "again to go on"
                    ) from None
                pause = PAUSE * 2 ** (failures - 1) * random.uniform(0.75, 1.25)
                time.sleep(min(max(pause, error.wait), LONGEST_PAUSE))

    def _request(self, location: str) -> None:
        """One request, for the bytes not yet there or, where they would not fit together, for the whole."""
        part, have = self.part, self.part.have
        same = part.location == location and bool(part.version)
        headers = {"Accept-Encoding": "identity"}  # or a .tar.gz may arrive unpacked
        if have and not self.whole and (same or self.sha256):
            part.sha256()  # before the connection is opened, which would not wait
            headers |= {"Range": f"bytes={have}-"} | ({"If-Range": part.version} if same else {})
        try:
            with requests.get(location, headers=headers, stream=True, timeout=TIMEOUT) as response:
                start, total = self._accept(response, have if "Range" in headers else 0)
                self._check_room((total or self.expected or 0) - have, location)
                self._receive(response, location, start, total)
        except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
            raise _Interrupted(_reason(error)) from None
        except requests.RequestException as error:
            raise Refused(f"can't be fetched ({_reason(error)}); check the address") from None

    def _accept(self, response: requests.Response, asked: int) -> tuple[int, int | None]:
        """(first byte that comes, bytes of the whole if known); raises if this is not the file, or not its rest."""
        status = response.status_code
        if status in PASSING:
            raise _Interrupted(f"HTTP {status} {response.reason}", _wait(response.headers.get("Retry-After", "")))
        if asked and status in (206, 416):
            start = asked
            found = re.fullmatch(
                r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", response.headers.get("Content-Range", "").strip()
            )
            total = int(found[2]) if found and found[2] != "*" else self.part.total
            if status == 416 or not found or int(found[1]) != asked or self.part.total not in (None, total):
                self.whole = True
                raise _Interrupted("the server sent another part than asked for, or the file changed")
        elif status == 200:
            self.whole = False
            start, length = 0, response.headers.get("Content-Length", "")
            total = int(length) if re.fullmatch(r"\d{1,18}", length) else None
        else:
            raise Refused(f"answered HTTP {status} {response.reason}, expected the file; check the address")
        if total is not None and self.expected not in (None, total):
            raise Refused(
                f"offers {total} bytes of {response.headers.get('Content-Type', 'unknown type')}{_whence(response)}, "
                f"expected {self.expected}; check the address, or take the file from elsewhere with the source `files`"
            )
        return start, total

    def _receive(self, response: requests.Response, location: str, start: int, total: int | None) -> None:
        """Takes the bytes from `start` on: what is there already is compared, and kept as long as it is the same."""
        part, before, limit = self.part, self.part.have, total or self.expected
        tag, date = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
        about = {"total": total, "location": location, "version": date if tag.startswith("W/") else tag or date}
        if start == 0:
            part.hash, part.hashed = hashlib.sha256(), 0
        if before == start:
            part.describe(**about, joined=start > 0)
        at, watch = start, _Watch()
        with part.path.open("r+b") as file, Progress(self.name, limit, "B", start) as progress:
            while block := response.raw.read1(BLOCK, decode_content=False):  # what is there: a trickle must be seen
                if at == 0 and block.lstrip().startswith(b"<"):
                    raise Refused(
                        f"sent a web page{_whence(response)}, which begins with {_text(block)}; check the address"
                    )
                if limit is not None and at + len(block) > limit:
                    part.shrink(start)
                    raise Refused(f"sent more than the {limit} bytes expected{_whence(response)}; check the address")
                if _put(file, block, at) and before > start:
                    part.describe(**about, joined=False)  # the answer has left or passed what was there before
                    before = start
                part.hash.update(block)
                at += len(block)
                part.hashed = at
                progress.advance(len(block))
                watch.saw(len(block))
        if limit is not None and at < limit:
            raise _Interrupted(f"ended after {at} of {limit} bytes")
        os.truncate(part.path, at)
        part.describe(**about | {"total": at}, joined=start > 0)

    def _check_room(self, size: int, location: str) -> None:
        folder = self.part.path.parent
        if (free := shutil.disk_usage(folder).free) < size:
            raise UserError(f"{folder}: has {free} bytes free, expected {size} more for {location}; make room")


class _Watch:
    """Notices a transfer that is never silent for long and yet brings next to nothing."""

    def __init__(self) -> None:
        self.since, self.bytes = time.monotonic(), 0

    def saw(self, count: int) -> None:
        self.bytes += count
        if (seconds := time.monotonic() - self.since) >= WINDOW:
            if self.bytes < SLOWEST * seconds:
                raise _Interrupted(f"brought only {self.bytes} bytes in {seconds:.0f} seconds")
            self.since, self.bytes = time.monotonic(), 0


def _put(file: BinaryIO, block: bytes, at: int) -> bool:
    """Makes the file hold `block` at byte `at`; True if it did not, and then it ends with the block."""
    file.seek(at)
    if file.read(len(block)) == block:
        return False
    file.seek(at)
    file.truncate()
    file.write(block)
    file.flush()
    return True


def _wait(after: str) -> float:
    """Seconds of a Retry-After header: a number or a date."""
    with suppress(ValueError, TypeError):  # a date may lack its zone
        return float(after) if after.isdecimal() else (parsedate_to_datetime(after) - datetime.now(UTC)).total_seconds()
    return 0.0


def _whence(response: requests.Response) -> str:
    return f" from {response.url}, to which it redirects" if response.history else ""


def _text(block: bytes) -> str:
    return repr(block[:60].decode("latin-1"))


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
