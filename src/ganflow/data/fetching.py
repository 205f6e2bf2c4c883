"""Fetches one file from the first mirror that has it: the target appears complete and with the right sha256, or not.

A download stays in a scratch folder named by its digest until the shard stage starts, so that neither a kill nor a
deleted output downloads 46 GB again.
"""

import errno
import fcntl
import hashlib
import os
import shlex
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from ganflow import artifacts
from ganflow.data.http_transfer import SourceFailed, Transfer
from ganflow.data.partial_file import PartialFile
from ganflow.errors import UserError
from ganflow.locks import held
from ganflow.progress import Progress, log

STAGE = "download"  # of the scratch folders
FICLONE = 0x40049409  # Linux ioctl: clone another file's blocks, copy-on-write
SHORTAGES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE)  # of this machine, and no fault of a source


def fetch(
    locations: Sequence[str],
    target: Path,
    sha256: str | None,
    expected_bytes: int | None = None,
    unpacked: str = "",
) -> str:
    """Puts a file at `target` from the first of `locations` (paths, file:// or http(s):// URLs) that has it.

    A location may be a folder with a file `unpacked`, which is then the file.

    Returns its sha256. Raises UserError with the fault of each location if none has a file of this sha256 and size.
    Without a sha256 it always raises: the message holds the digest found, and the download is kept for the next run.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    sha256 = sha256 or None
    faults = []
    for location, next_location in zip(locations, (*locations[1:], None), strict=True):
        try:
            if urlsplit(location).scheme in ("http", "https"):
                return _download(location, locations, target, sha256, expected_bytes)
            if unpacked and (_local(location) / unpacked).is_file():
                location = f"{location.rstrip('/')}/{unpacked}"
            return _copy(location, target, sha256, expected_bytes)
        except SourceFailed as fault:
            faults.append(f"{location}: {fault}")
            if next_location:
                log(f"{faults[-1]}; trying {next_location}")
    raise UserError(faults[0] if len(faults) == 1 else f"{target.name}: no mirror provides it: {'; '.join(faults)}")


def _download(location: str, locations: Sequence[str], target: Path, sha256: str | None, expected: int | None) -> str:
    unverified = artifacts.digest_value(list(locations))  # names the folder while the sha256 is unknown
    name = sha256 or unverified
    with held(artifacts.scratch_lock(STAGE, name), target.name, log):
        folder = artifacts.scratch(STAGE, name)
        before = artifacts.SCRATCH / STAGE / unverified[:32]
        if sha256 and before.exists() and not any(folder.iterdir()):
            before.replace(folder)
        part = PartialFile(folder)
        Transfer(part, target.name, sha256, expected).complete(location)
        found, size = part.sha256(), part.size
        if sha256 and found != sha256:
            fault = _mismatch(part.path, size, found, sha256)
            part.reset()
            raise fault
        return _finished(location, part.path, target, size, found, sha256)


def _copy(location: str, target: Path, sha256: str | None, expected: int | None) -> str:
    partial = _partial(target)
    path, size = _regular_file(location, target.name)
    if expected not in (None, size):
        raise SourceFailed(f"has {size} bytes, expected {expected}; {_advice(path)}")
    try:
        with path.open("rb") as source, partial.open("w+b") as copy:
            found = _clone(source, copy, size, location)
        if sha256 and found != sha256:
            raise _mismatch(partial, size, found, sha256)
        return _finished(location, partial, target, size, found, sha256)
    except OSError as error:
        if error.errno in SHORTAGES:
            raise
        raise SourceFailed(f"can't be copied to {target} ({error.strerror}); check the path") from None
    finally:
        partial.unlink(missing_ok=True)


def _local(location: str) -> Path:
    """The path that a location names, with the home folder for ~."""
    parts = urlsplit(location)
    if parts.netloc not in ("", "localhost") and parts.scheme == "file":
        path = f"{parts.netloc}{parts.path}"
        raise SourceFailed(f"{parts.netloc!r} is where a file:// URL names a computer; write the path alone: {path}")
    remote = len(parts.scheme) > 1 and parts.scheme != "file"  # the drive of a Windows path has one letter
    if remote and not Path(location).exists():
        raise SourceFailed(f"{parts.scheme}:// is not supported; write a path, file:///, http:// or https://")
    try:
        return Path(unquote(parts.path) if parts.scheme == "file" else location).expanduser()
    except RuntimeError:
        raise SourceFailed("names a home folder that is not known here; write the whole path") from None


def _regular_file(location: str, name: str) -> tuple[Path, int]:
    """The path and size of a location, a file that can be read; `name`: what is expected there."""
    path = _local(location)
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            raise SourceFailed(f"is a folder, expected a file; {_about_folder(path, location, name)}")
        if not stat.S_ISREG(about.st_mode):
            raise SourceFailed("is not a regular file; check the path")
        with path.open("rb"):
            return path, about.st_size
    except FileNotFoundError:
        full = "" if location == str(path.absolute()) else f" ({path.absolute()})"
        raise SourceFailed(f"No such file or directory{full}; check the path") from None
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in SHORTAGES:
            raise
        reason = error.strerror if isinstance(error, OSError) else error
        raise SourceFailed(f"can't be read ({reason}); check the path") from None


def _about_folder(path: Path, location: str, name: str) -> str:
    """What to do about a folder where the file `name` is expected."""
    if (path / name).is_file():
        return f"write {location.rstrip('/')}/{name}"
    if not name.endswith(".tar.gz"):
        return f"write the path of the file, whose official name is {name}"
    packed = path.resolve().with_name(name)
    command = shlex.join(["tar", "-czf", str(packed), "-C", str(packed.parent), path.resolve().name])
    return f"if it is what {name} unpacks to, pack it by `{command}` and write {packed}"


def _clone(source: BinaryIO, copy: BinaryIO, size: int, location: str) -> str:
    """Copies `source` to `copy`, as a copy-on-write clone where the file system supports it; returns the sha256.

    Never a hard link: later writes to the source must not change the artifact.
    """
    try:
        fcntl.ioctl(copy.fileno(), FICLONE, source.fileno())
        shared = True
    except OSError:  # another file system, or no support for clones
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
    """Moves a verified file to the target; raises UserError with the digest found if no sha256 was given."""
    if not sha256:
        raise UserError(f"{location}: has no sha256 in params.yaml; add that of its {size} bytes: `sha256: {found}`")
    partial = _partial(target)
    if file != partial:
        partial.unlink(missing_ok=True)
        try:
            os.link(file, partial)
        except OSError:  # another file system
            _check_room(target.parent, size, location)
            shutil.copyfile(file, partial)
    with partial.open("rb") as written:
        os.fsync(written.fileno())
    partial.replace(target)
    partial.unlink(missing_ok=True)  # still there if the target was the same file already
    return found


def _mismatch(file: Path, size: int, found: str, sha256: str) -> SourceFailed:
    return SourceFailed(f"its {size} bytes have the sha256 {found}, expected {sha256}; {_advice(file)}")


def _advice(file: Path) -> str:
    """What to do about unexpected content."""
    with file.open("rb") as content:
        start = content.read(60)
    if start.lstrip().startswith(b"<"):
        return f"it is a web page that starts with {start.decode('latin-1')!r}, not the file: check the address"
    return "take the file from elsewhere (source `files`), or, if you trust this one, give its sha256 there"


def _check_room(folder: Path, size: int, location: str) -> None:
    if (free := shutil.disk_usage(folder).free) < size:
        raise UserError(f"{folder}: has {free} bytes free, expected {size} for {location}; make room")


def _partial(target: Path) -> Path:
    return target.with_name(f".{target.name}.partial")
