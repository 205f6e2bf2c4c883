"""Extracts one known member of an untrusted zip into the scratch folder, at most once.

All members and the free disk space are checked before anything is extracted. A complete extraction is reused, for
instance after a kill; an incomplete one is started again.
"""

import errno
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from io import FileIO
from pathlib import Path

from filelock import FileLock

from ganflow import artifacts
from ganflow.errors import UserError
from ganflow.progress import Progress

MAX_RATIO = 4  # of a member's size to the zip's: encoded photographs hardly compress
ALLOWANCE = 64 << 20  # bytes allowed in addition
ENCRYPTED = 1  # bit of a member's flags
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, struct.error)
ENVIRONMENT_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EMFILE)


def extract_member(path: Path, name: str, others: Mapping[str, int], target: Path) -> Path:
    """Extracts the member `name` of a zip to `target`, unless it is there already; returns `target`.

    `others`: {further allowed member: maximum size}. Raises UserError for any other member, a link, an implausible
    size, an unusual compression, damage, or too little disk space.
    """
    try:
        with _Guarded(path) as file, zipfile.ZipFile(file) as archive, FileLock(target.with_suffix(".lock")):
            largest = {**others, name: MAX_RATIO * path.stat().st_size + ALLOWANCE}
            _check_members(archive, largest, path)
            if name not in archive.namelist():
                raise UserError(
                    f"{path}: {name}: expected in the archive, found {archive.namelist()}; download it again"
                )
            member = archive.getinfo(name)
            identity = {"archive": path.stat().st_size, "bytes": member.file_size, "crc": member.CRC}
            state = target.with_suffix(".json")
            if target.exists() and state.exists() and artifacts.read_json(state) == identity:
                return target
            state.unlink(missing_ok=True)
            target.unlink(missing_ok=True)
            _extract(archive, member, target, path)
            artifacts.write_json(state, identity)
            return target
    except FileNotFoundError:
        raise UserError(f"{path}: no such archive; run `dvc repro` to download it") from None
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno in ENVIRONMENT_ERRORS:
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path}: damaged or not a zip ({reason}); delete it and download it again") from None


class _Guarded(FileIO):
    """A file that refuses to read more than a block at once: a longer central directory is a zip bomb."""

    def read(self, size: int | None = -1) -> bytes:
        size = artifacts.BLOCK if size is None or size < 0 else size
        if size > artifacts.BLOCK:
            raise zipfile.BadZipFile(f"its central directory has {size} bytes, expected at most {artifacts.BLOCK}")
        return super().read(size)


def _check_members(archive: zipfile.ZipFile, largest: Mapping[str, int], path: Path) -> None:
    seen = set()
    for member in archive.infolist():
        fault = None
        if member.filename not in largest:
            fault = f"is not in the official archive, expected only {sorted(largest)}"
        elif member.filename in seen:
            fault = "occurs twice, expected once"
        elif stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            fault = f"is a link or a device (mode {member.external_attr >> 16:o}), expected a regular file"
        elif member.file_size > largest[member.filename]:
            fault = f"unpacks to {member.file_size} bytes, expected at most {largest[member.filename]}"
        elif member.flag_bits & ENCRYPTED or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            fault = "is encrypted or not stored or deflated, which is not supported"
        if fault:
            raise UserError(f"{path}: {member.filename!r} {fault}; delete the archive and download it again")
        seen.add(member.filename)


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, path: Path) -> None:
    free = shutil.disk_usage(target.parent).free
    if member.file_size > free:
        raise UserError(
            f"{target.parent}: has {free} bytes free, expected {member.file_size} to unpack {path}; make room"
        )
    with (
        target.open("wb") as file,
        archive.open(member) as compressed,
        Progress(f"extract {path.name}", member.file_size, "B") as progress,
    ):
        while block := compressed.read(artifacts.BLOCK):
            file.write(block)
            progress.advance(len(block))
    if (size := target.stat().st_size) != member.file_size:
        raise zipfile.BadZipFile(f"{member.filename} unpacks to {size} bytes, expected {member.file_size}")
