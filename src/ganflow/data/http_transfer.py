"""Downloads one file over HTTP(S) into a partial file, from servers that may stall, disconnect, ignore ranges or change
the file.

A download resumes with a range request. If the server sends the complete file instead, its bytes are compared with
those already stored, and only what differs is replaced. With a known sha256, one mirror continues another's download.
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
from ganflow.progress import Progress, log

TRIES = 5  # consecutive attempts that each receive less than one more block
PAUSE = 1.0  # seconds before the second attempt; doubled for each further one, with random jitter
LONGEST_PAUSE = 120.0  # seconds; also caps Retry-After
TIMEOUT = (20.0, 60.0)  # seconds: to connect, to receive the next byte
MIN_RATE, WINDOW = 1 << 10, 120.0  # bytes/s, averaged over WINDOW seconds, below which a transfer has stalled
TRANSIENT = {408, 425, 429, 500, 502, 503, 504}  # HTTP statuses that are retried
BLOCK = 64 << 10  # bytes; small, so that progress on a slow host is recorded every second


class SourceFailed(Exception):
    """A location does not provide the file; the message says what it sent and what to do."""


class _Interrupted(Exception):
    """A transient failure; retry after at least `wait` seconds."""

    def __init__(self, reason: str, wait: float = 0.0):
        super().__init__(reason)
        self.wait = wait


class Transfer:
    """Completes a partial file; `sha256` and `expected` (bytes) are those of the complete file, if known."""

    def __init__(self, part: PartialFile, name: str, sha256: str | None, expected: int | None):
        self.part, self.name, self.sha256, self.expected = part, name, sha256, expected
        self.restart = False  # request the complete file, after an invalid response to a range request

    def complete(self, location: str) -> None:
        """Retries until the file is complete; raises SourceFailed after TRIES attempts without progress.

        If the digest is wrong and some bytes were there before or come from several responses, downloads once more from
        the start.
        """
        self.restart, found = False, self.part.complete
        self._retry(location)
        if (found or self.part.joined) and self.sha256 not in (None, self.part.sha256()):
            log(f"{self.part.path}: not the file expected, whose parts were received before; downloading it again")
            self.part.reset()
            self._retry(location)

    def _retry(self, location: str) -> None:
        furthest, failures = self.part.size, 0
        while not self.part.complete:
            try:
                self._request(location)
            except _Interrupted as error:
                have = self.part.size
                failures = 1 if have >= furthest + BLOCK else failures + 1
                furthest = max(furthest, have)
                if failures >= TRIES:
                    raise SourceFailed(
                        f"gave up after {TRIES} attempts without progress ({error}); {have} bytes are kept, run again "
                        "to resume"
                    ) from None
                pause = PAUSE * 2 ** (failures - 1) * random.uniform(0.75, 1.25)
                time.sleep(min(max(pause, error.wait), LONGEST_PAUSE))

    def _request(self, location: str) -> None:
        """One request: for the missing bytes or, if they might not match those already there, for the complete file."""
        part, have = self.part, self.part.size
        same = part.location == location and bool(part.version)
        headers = {"Accept-Encoding": "identity"}  # else a .tar.gz may arrive decompressed
        if have and not self.restart and (same or self.sha256):
            part.sha256()  # hash before connecting: the server would time out meanwhile
            headers |= {"Range": f"bytes={have}-"} | ({"If-Range": part.version} if same else {})
        try:
            with requests.get(location, headers=headers, stream=True, timeout=TIMEOUT) as response:
                start, total = self._accept(response, have if "Range" in headers else 0)
                self._check_room((total or self.expected or 0) - have, location)
                self._receive(response, location, start, total)
        except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
            raise _Interrupted(_reason(error)) from None
        except requests.RequestException as error:
            raise SourceFailed(f"can't be fetched ({_reason(error)}); check the address") from None

    def _accept(self, response: requests.Response, offset: int) -> tuple[int, int | None]:
        """Checks the response; returns (offset of its first byte, size of the complete file if known)."""
        status = response.status_code
        if status in TRANSIENT:
            raise _Interrupted(
                f"HTTP {status} {response.reason}", _retry_after(response.headers.get("Retry-After", ""))
            )
        if offset and status in (206, 416):
            start = offset
            found = re.fullmatch(
                r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", response.headers.get("Content-Range", "").strip()
            )
            total = int(found[2]) if found and found[2] != "*" else self.part.total
            if status == 416 or not found or int(found[1]) != offset or self.part.total not in (None, total):
                self.restart = True
                raise _Interrupted("the server sent another range than requested, or the file changed")
        elif status == 200:
            self.restart = False
            start, length = 0, response.headers.get("Content-Length", "")
            total = int(length) if re.fullmatch(r"\d{1,18}", length) else None
        else:
            raise SourceFailed(f"answered HTTP {status} {response.reason}, expected the file; check the address")
        if total is not None and self.expected not in (None, total):
            raise SourceFailed(
                f"offers {total} bytes of {response.headers.get('Content-Type', 'unknown type')}{_via(response)}, "
                f"expected {self.expected}; check the address, or take the file from elsewhere with the source `files`"
            )
        return start, total

    def _receive(self, response: requests.Response, location: str, start: int, total: int | None) -> None:
        """Receives the bytes from `start` on; bytes already stored are compared, and kept while they are equal."""
        part, before, limit = self.part, self.part.size, total or self.expected
        tag, date = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
        about = {"total": total, "location": location, "version": date if tag.startswith("W/") else tag or date}
        if start == 0:
            part.hash, part.hashed = hashlib.sha256(), 0
        if before == start:
            part.record(**about, joined=start > 0)
        at, stall = start, _StallDetector()
        with part.path.open("r+b") as file, Progress(self.name, limit, "B", start) as progress:
            while block := response.raw.read1(BLOCK, decode_content=False):  # read1 returns early on a slow stream
                if at == 0 and block.lstrip().startswith(b"<"):
                    raise SourceFailed(
                        f"sent a web page{_via(response)}, which starts with {_text(block)}; check the address"
                    )
                if limit is not None and at + len(block) > limit:
                    part.truncate(start)
                    raise SourceFailed(f"sent more than the {limit} bytes expected{_via(response)}; check the address")
                if _put(file, block, at) and before > start:
                    part.record(**about, joined=False)  # this response differs from what was stored, or extends it
                    before = start
                part.hash.update(block)
                at += len(block)
                part.hashed = at
                progress.advance(len(block))
                stall.update(len(block))
        if limit is not None and at < limit:
            raise _Interrupted(f"ended after {at} of {limit} bytes")
        os.truncate(part.path, at)
        part.record(**about | {"total": at}, joined=start > 0)

    def _check_room(self, size: int, location: str) -> None:
        folder = self.part.path.parent
        if (free := shutil.disk_usage(folder).free) < size:
            raise UserError(f"{folder}: has {free} bytes free, expected {size} more for {location}; make room")


class _StallDetector:
    """Detects a transfer below MIN_RATE that never pauses long enough to time out."""

    def __init__(self) -> None:
        self.since, self.bytes = time.monotonic(), 0

    def update(self, count: int) -> None:
        self.bytes += count
        if (seconds := time.monotonic() - self.since) >= WINDOW:
            if self.bytes < MIN_RATE * seconds:
                raise _Interrupted(f"received only {self.bytes} bytes in {seconds:.0f} seconds")
            self.since, self.bytes = time.monotonic(), 0


def _put(file: BinaryIO, block: bytes, at: int) -> bool:
    """Stores `block` at byte `at`; returns whether this changed the file, which then ends with the block."""
    file.seek(at)
    if file.read(len(block)) == block:
        return False
    file.seek(at)
    file.truncate()
    file.write(block)
    file.flush()
    return True


def _retry_after(after: str) -> float:
    """Seconds to wait by a Retry-After header, which holds a number or a date."""
    with suppress(ValueError, TypeError):  # a date may lack its zone
        return float(after) if after.isdecimal() else (parsedate_to_datetime(after) - datetime.now(UTC)).total_seconds()
    return 0.0


def _via(response: requests.Response) -> str:
    return f" from {response.url}, to which it redirects" if response.history else ""


def _text(block: bytes) -> str:
    return repr(block[:60].decode("latin-1"))


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
