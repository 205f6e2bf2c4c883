"""CIFAR-10 in its official binary archive, `cifar-10-binary.tar.gz`, which contains no pickle.

The archive is read as a stream without extraction; sizes are checked before reading, and the gzip is read to its end so
that its checksum is verified. The batches may hold any number of records up to the official one. Written archives are
byte-identical for equal images and the same zlib.
"""

import gzip
import io
import re
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from ganflow import artifacts
from ganflow.data.archive_members import MOST_MEMBERS, member_name
from ganflow.data.faults import BadArchive, of_environment, reason_of
from ganflow.data.interfaces import Archive, Format, Sample
from ganflow.errors import UserError

ARCHIVE = Archive(
    name="cifar-10-binary.tar.gz",
    urls=("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
    bytes=170_052_171,
    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
FOLDER = "cifar-10-batches-bin"
PICKLES = "cifar-10-batches-py"  # the folder of the archive for Python
BATCHES = {
    "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    "validation": ("test_batch.bin",),
}
META, README = "batches.meta.txt", "readme.html"

SIDE = 32  # pixels
CLASSES = 10
RECORD = 1 + 3 * SIDE * SIDE  # bytes: the label, then the planes R, G and B
LARGEST_BATCH = 10_000  # records
LARGEST = {name: LARGEST_BATCH * RECORD for names in BATCHES.values() for name in names}
LARGEST |= {META: 4 << 10, README: 64 << 10}  # bytes
LARGEST_TAR = sum(LARGEST.values()) + (2 << 20)  # bytes, with headers, padding and what file managers add
EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)  # about the next one
PRINTABLE = re.compile(r"[ -~]{1,100}")
DAMAGED = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError)


class Cifar10(Format):
    """60,000 labelled images of 32x32 pixels in ten classes."""

    archives: ClassVar[tuple[Archive, ...]] = (ARCHIVE,)
    images: ClassVar[dict[str, int]] = {"train": 50_000, "validation": 10_000}
    labelled: ClassVar[bool] = True
    scene: ClassVar[str] = "objects"

    def classes(self, folder: Path) -> tuple[str, ...]:
        """The ten class names of batches.meta.txt, by label."""
        path = folder / ARCHIVE.name
        return _class_names(_read(path)[META], path)

    def samples(self, folder: Path, split: str) -> Iterator[Sample]:
        """data_batch_1 to 5 for "train", test_batch for "validation"; the complete archive is checked first."""
        path = folder / ARCHIVE.name
        contents = _read(path)
        _class_names(contents[META], path)
        records = np.concatenate([_records(contents[name], path, name) for name in BATCHES[split]])
        del contents
        images = np.ascontiguousarray(records[:, 1:].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1))
        for index, (label, image) in enumerate(zip(records[:, 0], images, strict=True)):
            yield Sample(f"{index:08d}", partial(np.asarray, image), int(label))

    def check(self, path: Path) -> str:
        """Reads the complete archive."""
        contents = _read(path)
        _class_names(contents[META], path)
        counts = {split: [len(contents[name]) // RECORD for name in names] for split, names in BATCHES.items()}
        return "; ".join(f"{split}: {' + '.join(map(str, found))} images" for split, found in counts.items())

    def write(self, folder: Path, split_samples: Callable[[str], Iterable[Sample]], classes: tuple[str, ...]) -> None:
        """Writes the archive; the training images, a multiple of five, are split evenly into the five batches."""
        if len(classes) != CLASSES:
            raise ValueError(f"CIFAR-10 has {CLASSES} classes, not {len(classes)}")
        contents = {META: "".join(f"{name}\n" for name in (*classes, "")).encode(), README: b"Made by ganflow\n"}
        for split, names in BATCHES.items():
            records = [_record(sample) for sample in split_samples(split)]
            size, rest = divmod(len(records), len(names))
            if rest or not 1 <= size <= LARGEST_BATCH:
                raise UserError(
                    f"{ARCHIVE.name}: {len(records)} {split} images do not fill {len(names)} equal batches of 1 to "
                    f"{LARGEST_BATCH} images; set `{split}` to a multiple of {len(names)} in that range"
                )
            for number, name in enumerate(names):
                contents[name] = b"".join(records[number * size : (number + 1) * size])
        artifacts.write_file(folder / ARCHIVE.name, _compress(contents))


class _Unpacked:
    """The tar inside a gzip, of which at most LARGEST_TAR bytes are read, against decompression bombs."""

    def __init__(self, stream: gzip.GzipFile, path: Path):
        self.stream, self.path, self.left = stream, path, LARGEST_TAR

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer at the end."""
        block = self.stream.read(size)
        self.left -= len(block)
        if self.left < 0:
            raise BadArchive(self.path, f"unpacks to more than the {LARGEST_TAR} bytes that CIFAR-10 can have")
        return block

    def exactly(self, size: int) -> bytes:
        if len(block := self.read(size)) < size:
            raise EOFError("it ends within a member")
        return block

    def skip(self, size: int) -> None:
        for start in range(0, size, artifacts.BLOCK):
            self.exactly(min(artifacts.BLOCK, size - start))


def _read(path: Path) -> dict[str, bytes]:
    """{name: content} of the known members, each complete and unique; raises BadArchive otherwise."""
    try:
        with gzip.open(path, "rb") as unzipped:
            stream = _Unpacked(unzipped, path)
            contents = _contents(stream, path)
            while stream.read(artifacts.BLOCK):  # the tar may end before the gzip, whose checksum comes last
                pass
    except FileNotFoundError:
        raise UserError(f"{path}: no such archive; run `dvc repro` to download it") from None
    except DAMAGED as error:
        if of_environment(error):
            raise
        raise BadArchive(path, f"damaged or not a tar.gz ({reason_of(error)})") from None
    if absent := sorted(set(LARGEST) - {README} - set(contents)):
        raise BadArchive(path, f"{FOLDER}/{absent[0]}: expected in the archive, found {sorted(contents)}")
    for names in BATCHES.values():
        for name in names:
            _records(contents[name], path, name)
    return contents


def _contents(stream: _Unpacked, path: Path) -> dict[str, bytes]:
    """{name: content} of the known members of a tar.

    tarfile.TarInfo parses the headers. tarfile.TarFile does not read them: its memory, time and recursion grow with
    what a hostile header says (nested extended headers, maps of sparse files). Extended headers are skipped: no name of
    the official archive is too long for a plain one.
    """
    contents: dict[str, bytes] = {}
    for _ in range(MOST_MEMBERS):
        header = stream.read(tarfile.BLOCKSIZE)
        if not header.strip(b"\0"):
            return contents
        member = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        if not 0 <= member.size <= LARGEST_TAR:
            raise BadArchive(path, f"{member.name!r} has {member.size} bytes, expected at most {LARGEST_TAR}")
        name = member_name(member.name, FOLDER)
        padding = -member.size % tarfile.BLOCKSIZE
        if member.type in EXTENDED or name is None or (member.isdir() and not name):
            stream.skip(member.size + padding)
            continue
        _check_member(member, name, path, contents)
        contents[name] = stream.exactly(member.size)
        stream.skip(padding)
    raise BadArchive(path, f"holds more than {MOST_MEMBERS} members, expected {len(LARGEST)}; pack those alone")


def _check_member(member: tarfile.TarInfo, name: str, path: Path, contents: dict[str, bytes]) -> None:
    """Raises BadArchive unless this is a known member, for the first time, of a size that it can have."""
    if PICKLES in member.name.split("/"):
        raise BadArchive(
            path, f"{member.name!r}: is CIFAR-10 as Python pickles, which can run code; use {ARCHIVE.urls[0]} instead"
        )
    fault = None
    if name not in LARGEST:
        fault = f"is not a member of the official archive, expected only {sorted(LARGEST)} in {FOLDER}"
    elif name in contents:
        fault = "occurs twice, expected once"
    elif member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        fault = f"has the tar type {member.type!r}, expected a regular file"
    elif member.size > LARGEST[name]:
        fault = f"has {member.size} bytes, expected at most {LARGEST[name]}"
    if fault:
        raise BadArchive(path, f"{member.name!r} {fault}")


def _records(content: bytes, path: Path, name: str) -> np.ndarray:
    """The records of a batch as uint8 (n, 3073), n >= 1, labels 0..9; raises BadArchive otherwise."""
    if not content or len(content) % RECORD:
        raise BadArchive(path, f"{FOLDER}/{name}: has {len(content)} bytes, expected a multiple of {RECORD}")
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    wrong = np.flatnonzero(records[:, 0] >= CLASSES)
    if wrong.size:
        label = records[wrong[0], 0]
        raise BadArchive(path, f"{FOLDER}/{name}: record {wrong[0]} has the label {label}, expected 0 to {CLASSES - 1}")
    return records


def _class_names(content: bytes, path: Path) -> tuple[str, ...]:
    names = tuple(line.strip() for line in content.decode("ascii", "replace").splitlines() if line.strip())
    if len(set(names)) != CLASSES or len(names) != CLASSES or not all(PRINTABLE.fullmatch(n) for n in names):
        found = f"{len(set(names))} different class names, expected {CLASSES} of printable ASCII"
        raise BadArchive(path, f"{FOLDER}/{META}: found {found}: {ascii(', '.join(names))[:200]}")
    return names


def _record(sample: Sample) -> bytes:
    image = sample.image
    fits = image.size == (SIDE, SIDE) and image.mode == "RGB"
    if not fits or sample.label is None or sample.label not in range(CLASSES):
        raise ValueError(f"{sample.key}: not a labelled {SIDE}x{SIDE} RGB image of one of {CLASSES} classes")
    return bytes([sample.label]) + np.asarray(image).transpose(2, 0, 1).tobytes()


def _compress(contents: dict[str, bytes]) -> bytes:
    """A tar.gz without timestamps, owners or file name, members sorted."""
    compressed = io.BytesIO()
    with (
        gzip.GzipFile("", "wb", 6, compressed, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w|", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, content in sorted(contents.items()):
            member = tarfile.TarInfo(f"{FOLDER}/{name}")
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return compressed.getvalue()
