"""Reads one known member of an untrusted zip: its first bytes, or all of it, extracted into the scratch folder once.

All members and the free disk space are checked before anything is extracted. A complete extraction is reused, for
instance after a kill; an incomplete or altered one is started again.
"""

import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from ganflow import artifacts
from ganflow.data.archive_members import MOST_MEMBERS, member_name
from ganflow.data.faults import BadArchive, of_environment, reason_of
from ganflow.errors import UserError
from ganflow.progress import Progress, log

MAX_RATIO = 4  # of a member's size to the zip's: encoded photographs hardly compress
ALLOWANCE = 64 << 20  # bytes allowed in addition
ENCRYPTED = 1  # bit of a member's flags
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, struct.error)


def first_bytes(path: Path, folder: str, name: str, others: Mapping[str, int], most: int) -> tuple[bytes, int]:
    """The first `most` bytes of a member, and its size; arguments and errors as in `extract_member`."""
    with _member(path, folder, name, others) as (archive, member), archive.open(member) as content:
        return content.read(most), member.file_size


def extract_member(path: Path, folder: str, name: str, others: Mapping[str, int], target: Path) -> Path:
    """Extracts the member `folder`/`name` of a zip to `target`, unless it is there already; returns `target`.

    The folder may be absent, as from a file manager, whose own additions are ignored. `others`: {further allowed member
    of the folder: maximum size}. Raises BadArchive for any other member, a link, an implausible size, an unusual
    compression or damage, UserError for too little disk space.
    """
    with _member(path, folder, name, others) as (archive, member):
        if not _is_extracted(member, target):
            artifacts.remove(target)
            _extract(archive, member, target, path)
        return target


@contextmanager
def _member(
    path: Path, folder: str, name: str, others: Mapping[str, int]
) -> Iterator[tuple[zipfile.ZipFile, zipfile.ZipInfo]]:
    """An open zip and its member, both checked; what its library raises becomes BadArchive."""
    try:
        with _Guarded(path) as file, zipfile.ZipFile(file) as archive:
            largest = {"": 0, **others, name: MAX_RATIO * path.stat().st_size + ALLOWANCE}
            members = _checked_members(archive, folder, largest, path)
            if name not in members:
                found = sorted(members) if len(members) < 9 else f"{len(members)} others"
                raise BadArchive(path, f"{folder}/{name}: expected in the archive, found {found}")
            yield archive, members[name]
    except FileNotFoundError:
        raise
    except DAMAGED as error:
        if of_environment(error):
            raise
        raise BadArchive(path, f"damaged or not a zip ({reason_of(error)})") from None


class _Guarded(FileIO):
    """A file that refuses to read more than a block at once: a longer central directory is a zip bomb."""

    def read(self, size: int | None = -1) -> bytes:
        size = artifacts.BLOCK if size is None or size < 0 else size
        if size > artifacts.BLOCK:
            raise zipfile.BadZipFile(f"its central directory has {size} bytes, expected at most {artifacts.BLOCK}")
        return super().read(size)


def _checked_members(
    archive: zipfile.ZipFile, folder: str, largest: Mapping[str, int], path: Path
) -> dict[str, zipfile.ZipInfo]:
    """{name in the folder: member}; raises BadArchive for one that must not be there."""
    members: dict[str, zipfile.ZipInfo] = {}
    if len(archive.infolist()) > MOST_MEMBERS:
        raise BadArchive(path, f"holds {len(archive.infolist())} members, expected at most {MOST_MEMBERS}")
    for member in archive.infolist():
        name, fault = member_name(member.filename, folder), None
        if name is None:
            continue
        if name not in largest:
            known = [f"{folder}/{known}" for known in largest]
            fault = f"is not in the official archive, expected only {sorted(known)}, with or without their folder"
        elif name in members:
            fault = "occurs twice, expected once"
        elif stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            fault = f"is a link or a device (mode {member.external_attr >> 16:o}), expected a regular file"
        elif member.file_size > largest[name]:
            fault = f"unpacks to {member.file_size} bytes, expected at most {largest[name]}"
        elif member.flag_bits & ENCRYPTED or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            fault = "is encrypted or not stored or deflated, which is not supported"
        if fault:
            raise BadArchive(path, f"{member.filename!r} {fault}")
        members[name] = member
    return members


def _is_extracted(member: zipfile.ZipInfo, target: Path) -> bool:
    """Whether a file has a member's size and, as every byte of it is read, its checksum."""
    if target.is_symlink() or not target.is_file() or target.stat().st_size != member.file_size:
        return False
    found = 0
    with target.open("rb") as file, Progress(f"checking {target}", member.file_size, "B") as progress:
        while block := file.read(artifacts.BLOCK):
            found = zlib.crc32(block, found)
            progress.advance(len(block))
    if found != member.CRC:
        log(f"{target}: is not what the archive holds; it is extracted again")
    return found == member.CRC


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
