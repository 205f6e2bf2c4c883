"""One known member out of a zip that nobody vouches for, unpacked to a place in the scratch folder at most once.

The list of members is checked as a whole before a byte is unpacked, the room on the disk too. What was unpacked whole
serves the next run, after a kill for instance; what was not is begun again.
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

LARGEST_RATIO = 4  # of a member's bytes to the zip's: encoded photographs hardly shrink
ALLOWANCE = 64 << 20  # bytes that any member may have beyond that
ENCRYPTED = 1  # bit of a member's flags
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, struct.error)
NO_FAULT_OF_THE_ZIP = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EMFILE)


def unpack(path: Path, name: str, others: Mapping[str, int], target: Path) -> Path:
    """Unpacks the member `name` of a zip to `target`, unless it lies there whole; returns `target`.

    `others` are the members that may be there besides, with the bytes that each may have. Raises UserError, which names
    archive and member, for any other member, a link, a size that can't be, an unusual packing, damage, or want of room.
    """
    try:
        with _Guarded(path) as file, zipfile.ZipFile(file) as archive, FileLock(target.with_suffix(".lock")):
            largest = {**others, name: LARGEST_RATIO * path.stat().st_size + ALLOWANCE}
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
            _unpack(archive, member, target, path)
            artifacts.write_json(state, identity)
            return target
    except FileNotFoundError:
        raise UserError(f"{path}: no such archive; run `dvc repro` to download it") from None
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno in NO_FAULT_OF_THE_ZIP:
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path}: damaged or not a zip ({reason}); delete it and download it again") from None


class _Guarded(FileIO):
    """A file of which no more than a block is read at a time: a list of members that is longer is a bomb."""

    def read(self, size: int = -1) -> bytes:
        if size > artifacts.BLOCK:
            raise zipfile.BadZipFile(f"its list of members has {size} bytes, expected at most {artifacts.BLOCK}")
        return super().read(size if size >= 0 else artifacts.BLOCK)


def _check_members(archive: zipfile.ZipFile, largest: Mapping[str, int], path: Path) -> None:
    seen = set()
    for member in archive.infolist():
        fault = None
        if member.filename not in largest:
            fault = f"is not in the official archive, expected only {sorted(largest)}"
        elif member.filename in seen:
            fault = "is there twice, expected once"
        elif stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            fault = f"is a link or a device (mode {member.external_attr >> 16:o}), expected a regular file"
        elif member.file_size > largest[member.filename]:
            fault = f"unpacks to {member.file_size} bytes, expected at most {largest[member.filename]}"
        elif member.flag_bits & ENCRYPTED or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            fault = "is encrypted or packed in an unusual way, expected stored or deflated"
        if fault:
            raise UserError(f"{path}: {member.filename!r} {fault}; delete the archive and download it again")
        seen.add(member.filename)


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, path: Path) -> None:
    free = shutil.disk_usage(target.parent).free
    if member.file_size > free:
        raise UserError(
            f"{target.parent}: has {free} bytes free, expected {member.file_size} to unpack {path}; make room"
        )
    with (
        target.open("wb") as file,
        archive.open(member) as packed,
        Progress(f"unpacking {path.name}", member.file_size, "B") as progress,
    ):
        while block := packed.read(artifacts.BLOCK):
            file.write(block)
            progress.advance(len(block))
    if (size := target.stat().st_size) != member.file_size:
        raise zipfile.BadZipFile(f"{member.filename} unpacks to {size} bytes, expected {member.file_size}")
