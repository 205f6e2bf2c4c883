"""Fetching one file: the target appears whole, with the right digest, or not at all.

A download that was cut, by the network or by a kill, goes on where it stopped: the part lies in a scratch folder named
by the location. Nothing a server says is believed: length, range and digest are checked, and a message says what came.
"""

import os
import re
import shutil
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests
import urllib3
from filelock import FileLock

from ganflow import artifacts
from ganflow.errors import UserError
from ganflow.progress import Progress

TRIES = 5  # in a row that bring no byte more than before
PAUSE = 1.0  # seconds before the second try, doubled for each further one
TIMEOUT = (20.0, 60.0)  # seconds to connect, and without a byte
PASSING = {408, 425, 429, 500, 502, 503, 504}  # HTTP answers worth another try
BLOCK = 64 << 10  # bytes; a slow host fills it in a second


def fetch(location: str, target: Path, sha256: str | None, expected_bytes: int | None = None) -> None:
    """Puts the file at `location` (a path, file:// or http(s):// URL) at `target`.

    Raises UserError, which says what came and from where, if it can't be had or has not this sha256 and this size.
    Without a sha256 that is always so: the message holds the digest found; what was downloaded serves the next run.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    scheme = urlsplit(location).scheme
    if scheme in ("http", "https"):
        folder = artifacts.scratch("download", artifacts.digest_value(location))
        with FileLock(folder / "lock"):
            _Download(location, folder, expected_bytes).deliver(target, sha256)
    elif scheme in ("", "file"):
        path = Path(unquote(urlsplit(location).path) if scheme else location)
        _copy(location, path, target, sha256, expected_bytes)
    else:
        raise UserError(f"{location}: nothing is fetched by {scheme}://; write a path, file://, http:// or https://")


def _copy(location: str, source: Path, target: Path, sha256: str | None, expected_bytes: int | None) -> None:
    beside = _beside(target)
    try:
        size = source.stat().st_size
        if expected_bytes not in (None, size):
            raise UserError(f"{location}: has {size} bytes, expected {expected_bytes}; {_looks(source)}")
        _check_room(target.parent, size, location)
        shutil.copyfile(source, beside)
        _check_digest(location, beside, sha256)
        _place(beside, target)
    except OSError as error:
        raise UserError(f"{location}: can't be copied to {target} ({error.strerror}); check the path") from None
    finally:
        beside.unlink(missing_ok=True)


class _Interrupted(Exception):
    """The transfer broke in a way that another try may mend."""


class _Download:
    """A file on its way: `part` holds its first bytes; `state`, of which version they are and how long that is."""

    def __init__(self, location: str, folder: Path, expected_bytes: int | None):
        self.location, self.expected = location, expected_bytes
        self.part, self.state = folder / "part", folder / "state.json"
        self.joined = False  # was the part put together from several answers?

    def deliver(self, target: Path, sha256: str | None) -> None:
        """Downloads what is missing; begins anew, once, if answers were joined and do not have the digest."""
        self._complete(target)
        if self.joined and sha256 and artifacts.digest_file(self.part) != sha256:
            self._forget()
            self._complete(target)
        try:
            _check_digest(self.location, self.part, sha256)
        except UserError:
            if sha256:
                self._forget()
            raise
        _place(self.part, target)
        self._forget()

    def _complete(self, target: Path) -> None:
        """Tries until the part is the whole; raises UserError when tries bring nothing any more."""
        most, failures = self._have(), 0
        while True:
            try:
                return self._transfer(target)
            except _Interrupted as error:
                have = self._have()
                failures = 1 if have > most else failures + 1
                most = max(most, have)
                if failures >= TRIES:
                    raise UserError(
                        f"{self.location}: gave up after {TRIES} tries without a byte more ({error}); "
                        f"{have} bytes are kept, run again to go on"
                    ) from None
                time.sleep(PAUSE * 2 ** (failures - 1))

    def _transfer(self, target: Path) -> None:
        """One request, for the bytes not yet there."""
        have, known = self._have(), self._known()
        if have and have == known["bytes"]:
            return
        headers = {"Accept-Encoding": "identity"}  # or a .tar.gz may arrive unpacked
        if have:
            headers |= {"Range": f"bytes={have}-"} | ({"If-Range": known["version"]} if known["version"] else {})
        try:
            with requests.get(self.location, headers=headers, stream=True, timeout=TIMEOUT) as response:
                total = self._accept(response, have, known)
                self._receive(response, self._have(), total, target)
        except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
            raise _Interrupted(_reason(error)) from None
        except requests.RequestException as error:
            raise UserError(f"{self.location}: can't be fetched ({_reason(error)}); check the address") from None
        except OSError as error:
            raise UserError(f"{self.part}: can't be written ({error.strerror}); make room") from None

    def _accept(self, response: requests.Response, have: int, known: dict) -> int | None:
        """The whole's bytes, if known; drops the part if the answer is not its rest, raises if it is no answer."""
        if response.status_code in PASSING:
            raise _Interrupted(f"HTTP {response.status_code} {response.reason}")
        if response.status_code == 416 or (response.status_code == 206 and not self._is_rest(response, have, known)):
            self._forget()
            raise _Interrupted("the server sent another part than asked for, or the file changed")
        if response.status_code == 206:
            self.joined = True
            return known["bytes"]
        if response.status_code != 200:
            raise UserError(
                f"{self.location}: answered HTTP {response.status_code} {response.reason}, expected the file; "
                "check the address"
            )
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        if total is not None and self.expected not in (None, total):
            kind = response.headers.get("Content-Type", "unknown type")
            raise UserError(
                f"{self.location}: the server offers {total} bytes of {kind}, expected {self.expected}; "
                "check the address, or take the file from elsewhere with the source `files`"
            )
        self._forget()
        tag, date = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
        artifacts.write_json(self.state, {"bytes": total, "version": date if tag.startswith("W/") else tag or date})
        return total

    @staticmethod
    def _is_rest(response: requests.Response, have: int, known: dict) -> bool:
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        return bool(have and found and int(found[1]) == have and found[3] in ("*", str(known["bytes"])))

    def _receive(self, response: requests.Response, have: int, total: int | None, target: Path) -> None:
        limit = total or self.expected
        _check_room(self.part.parent, (limit or 0) - have, self.location)
        if target.parent.stat().st_dev != self.part.parent.stat().st_dev:
            _check_room(target.parent, limit or 0, self.location)
        with self.part.open("ab", buffering=0) as file, Progress(target.name, limit, "B", have) as progress:
            for block in response.raw.stream(BLOCK, decode_content=False):
                have += len(block)
                if limit is not None and have > limit:
                    self._forget()
                    raise UserError(f"{self.location}: sent more than the {limit} bytes expected; check the address")
                file.write(block)
                progress.advance(len(block))
        if limit is not None and have < limit:
            raise _Interrupted(f"ended after {have} of {limit} bytes")
        artifacts.write_json(self.state, {**self._known(), "bytes": have})

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.exists() and self.state.exists() else 0

    def _known(self) -> dict:
        return artifacts.read_json(self.state) if self.state.exists() else {"bytes": None, "version": ""}

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.state.unlink(missing_ok=True)


def _check_digest(location: str, file: Path, sha256: str | None) -> None:
    found, size = artifacts.digest_file(file), file.stat().st_size
    if not sha256:
        raise UserError(f"{location}: no sha256 is given; its {size} bytes have this one: `sha256: {found}`")
    if found != sha256:
        raise UserError(f"{location}: its {size} bytes have the sha256 {found}, expected {sha256}; {_looks(file)}")


def _looks(file: Path) -> str:
    """The cure for wrong content, which depends on what came."""
    with file.open("rb") as content:
        begin = content.read(60)
    if begin.lstrip().startswith(b"<"):
        return f"it is a web page that begins with {begin.decode('latin-1')!r}, not the file: check the address"
    return "take the file from elsewhere (source `files`), or, if you trust this one, give its sha256 there"


def _check_room(folder: Path, size: int, location: str) -> None:
    if (free := shutil.disk_usage(folder).free) < size:
        raise UserError(f"{folder}: has {free} bytes free, expected {size} for {location}; make room")


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.partial")


def _place(source: Path, target: Path) -> None:
    """Moves a file, from another disk if need be, so that the target appears whole."""
    beside = _beside(target)
    if source != beside:
        shutil.move(source, beside)
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    beside.replace(target)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
