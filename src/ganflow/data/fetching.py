"""Fetching one file from the first of its mirrors that has it: it appears whole, with the right digest, or not at all.

A download lies in a scratch folder named by the digest until the shard stage begins, so that neither a kill nor a
deleted output brings 46 GB upon the network again. What a server says is not believed; a message says what came.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from ganflow import artifacts
from ganflow.data.http_transfer import Refused, Transfer
from ganflow.data.partial_file import PartialFile
from ganflow.errors import UserError
from ganflow.progress import Progress, log

STAGE = "download"  # of the scratch folders
FICLONE = 0x40049409  # ioctl of Linux: share the blocks of another file, each later write to which makes its own copy


def fetch(locations: Sequence[str], target: Path, sha256: str | None, expected_bytes: int | None = None) -> str:
    """Puts a file at `target` from the first of `locations` (paths, file:// or http(s):// URLs) that has it.

    Returns its sha256. Raises UserError, which says for each what came, if none has a file of this sha256 and
    size. Without a sha256 that is always so: the message holds the digest found; what was downloaded serves the next
    run.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    sha256 = sha256 or None
    faults = []
    for location, following in zip(locations, (*locations[1:], None), strict=True):
        try:
            if urlsplit(location).scheme in ("http", "https"):
                return _download(location, locations, target, sha256, expected_bytes)
            return _copy(location, target, sha256, expected_bytes)
        except Refused as fault:
            faults.append(f"{location}: {fault}")
            if following:
                log(f"{faults[-1]}; trying {following}")
    raise UserError(faults[0] if len(faults) == 1 else f"{target.name}: no mirror brings it: {'; '.join(faults)}")


def _download(location: str, locations: Sequence[str], target: Path, sha256: str | None, expected: int | None) -> str:
    untold = artifacts.digest_value(list(locations))  # names what is downloaded before its digest is known
    name = sha256 or untold
    artifacts.scratch(STAGE, name)
    with artifacts.scratch_lock(STAGE, name):
        folder = artifacts.scratch(STAGE, name)  # again: who had the lock may have discarded it
        before = artifacts.SCRATCH / STAGE / untold[:32]
        if sha256 and before.exists() and not any(folder.iterdir()):
            before.replace(folder)
        part = PartialFile(folder)
        Transfer(part, target.name, sha256, expected).complete(location)
        found, size = part.sha256(), part.have
        if sha256 and found != sha256:
            fault = _wrong(part.path, size, found, sha256)
            part.forget()
            raise fault
        return _finished(location, part.path, target, size, found, sha256)


def _copy(location: str, target: Path, sha256: str | None, expected: int | None) -> str:
    beside = _beside(target)
    try:
        path = _local(location)
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise Refused("is not a regular file; check the path")
        if expected not in (None, about.st_size):
            raise Refused(f"has {about.st_size} bytes, expected {expected}; {_cure(path)}")
        with path.open("rb") as source, beside.open("w+b") as copy:
            found = _clone(source, copy, about.st_size, location)
        if sha256 and found != sha256:
            raise _wrong(beside, about.st_size, found, sha256)
        return _finished(location, beside, target, about.st_size, found, sha256)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise Refused(f"can't be copied to {target} ({error.strerror}); check the path") from None
    finally:
        beside.unlink(missing_ok=True)


def _local(location: str) -> Path:
    parts = urlsplit(location)
    if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost"):
        raise Refused(
            f"nothing is fetched by {parts.scheme}://{parts.netloc}; write a path, file:///, http:// or https://"
        )
    return Path(unquote(parts.path) if parts.scheme else location)


def _clone(source: BinaryIO, copy: BinaryIO, size: int, location: str) -> str:
    """Makes `copy` hold what `source` holds, sharing its blocks where the file system can; returns the sha256.

    Never a hard link: what the user later writes to the source must not change the artifact.
    """
    try:
        fcntl.ioctl(copy.fileno(), FICLONE, source.fileno())
        shared = True
    except OSError:  # another file system, or one that can't
        shared = False
        _check_room(Path(copy.name).parent, size, location)
    digest, origin = hashlib.sha256(), copy if shared else source
    with Progress(location, size, "B") as progress:
        while block := origin.read(artifacts.BLOCK):
            digest.update(block)
            if not shared:
                copy.write(block)
            progress.advance(len(block))
    return digest.hexdigest()


def _finished(location: str, file: Path, target: Path, size: int, found: str, sha256: str | None) -> str:
    """Puts a file that has the right digest at the target; tells the digest by a UserError if none was given."""
    if not sha256:
        raise UserError(f"{location}: no sha256 is given; its {size} bytes have this one: `sha256: {found}`")
    beside = _beside(target)
    if file != beside:
        beside.unlink(missing_ok=True)
        try:
            os.link(file, beside)
        except OSError:  # another file system
            _check_room(target.parent, size, location)
            shutil.copyfile(file, beside)
    with beside.open("rb") as written:
        os.fsync(written.fileno())
    beside.replace(target)
    beside.unlink(missing_ok=True)  # still there if the target was the same file already
    return found


def _wrong(file: Path, size: int, found: str, sha256: str) -> Refused:
    return Refused(f"its {size} bytes have the sha256 {found}, expected {sha256}; {_cure(file)}")


def _cure(file: Path) -> str:
    """What to do about wrong content, which depends on what came."""
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
