"""CIFAR-10 in its official binary archive, `cifar-10-binary.tar.gz`, which contains no pickle.

The archive is read as a stream without extraction; sizes are checked before reading, and the gzip is read to its end so
that its checksum is verified. Written archives are byte-identical for equal images and the same zlib.
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
from ganflow.data.interfaces import Archive, Format, Sample
from ganflow.errors import UserError

ARCHIVE = Archive(
    name="cifar-10-binary.tar.gz",
    urls=("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
    bytes=170_052_171,
    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
FOLDER = "cifar-10-batches-bin"
BATCHES = {
    "train": tuple(f"{FOLDER}/data_batch_{number}.bin" for number in range(1, 6)),
    "validation": (f"{FOLDER}/test_batch.bin",),
}
META, README = f"{FOLDER}/batches.meta.txt", f"{FOLDER}/readme.html"

SIDE = 32  # pixels
CLASSES = 10
RECORD = 1 + 3 * SIDE * SIDE  # bytes: the label, then the planes R, G and B
LARGEST_BATCH = 10_000  # records
LARGEST = {name: LARGEST_BATCH * RECORD for names in BATCHES.values() for name in names}
LARGEST |= {META: 4 << 10, README: 64 << 10}  # bytes
LARGEST_TAR = sum(LARGEST.values()) + (1 << 20)  # bytes, with headers and padding
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


class _Bounded(io.RawIOBase):
    """A stream limited to LARGEST_TAR bytes, against decompression bombs."""

    def __init__(self, stream: gzip.GzipFile, path: Path):
        self.stream, self.path, self.left = stream, path, LARGEST_TAR

    def read(self, size: int = -1) -> bytes:
        block = self.stream.read(min(size if size >= 0 else 1 << 20, 1 << 20))
        self.left -= len(block)
        if self.left < 0:
            raise UserError(
                f"{self.path}: unpacks to more than the {LARGEST_TAR} bytes that CIFAR-10 can have; delete it and "
                "download it again"
            )
        return block


def _read(path: Path) -> dict[str, bytes]:
    """{member: content} of the known members, each complete and unique; raises UserError otherwise."""
    try:
        with gzip.open(path, "rb") as unzipped:
            stream = _Bounded(unzipped, path)
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                contents: dict[str, bytes] = {}
                for member in archive:
                    if member.isdir() and member.name.rstrip("/") == FOLDER:
                        continue
                    _check_member(member, path, contents)
                    content = archive.extractfile(member)
                    assert content is not None, "a regular file, as was checked"
                    contents[member.name] = content.read()
            while stream.read():  # tarfile stops at the last member, the gzip checksum comes after it
                pass
    except FileNotFoundError:
        raise UserError(f"{path}: no such archive; run `dvc repro` to download it") from None
    except DAMAGED as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: damaged or not a tar.gz ({reason}); delete it and download it again") from None
    if absent := sorted(set(LARGEST) - {README} - set(contents)):
        raise UserError(f"{path}: {absent[0]}: expected in the archive, found {sorted(contents)}; download it again")
    for names in BATCHES.values():
        counts = {name: len(_records(contents[name], path, name)) for name in names}
        if fewer := [name for name in names if counts[name] < max(counts.values())]:
            raise UserError(
                f"{path}: {fewer[0]}: has {counts[fewer[0]]} records, expected {max(counts.values())} as in the "
                "others; download the archive again"
            )
    return contents


def _check_member(member: tarfile.TarInfo, path: Path, contents: dict[str, bytes]) -> None:
    """Raises UserError unless this is a known member, for the first time, of a size that it can have."""
    if member.name.split("/")[0] == "cifar-10-batches-py":
        raise UserError(
            f"{path}: {member.name!r}: is CIFAR-10 as Python pickles, which can run code; use {ARCHIVE.urls[0]} instead"
        )
    fault = None
    if member.name not in LARGEST:
        fault = f"is not a member of the official archive, expected only {sorted(LARGEST)}"
    elif member.name in contents:
        fault = "occurs twice, expected once"
    elif member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
        fault = f"has the tar type {member.type!r}, expected a regular file"
    elif not 0 <= member.size <= LARGEST[member.name]:
        fault = f"has {member.size} bytes, expected at most {LARGEST[member.name]}"
    if fault:
        raise UserError(f"{path}: {member.name!r} {fault}; download the archive again from {ARCHIVE.urls[0]}")


def _records(content: bytes, path: Path, name: str) -> np.ndarray:
    """The records of a batch as uint8 (n, 3073), n >= 1, labels 0..9; raises UserError otherwise."""
    if not content or len(content) % RECORD:
        raise UserError(
            f"{path}: {name}: has {len(content)} bytes, expected a multiple of {RECORD}; download the archive again"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    wrong = np.flatnonzero(records[:, 0] >= CLASSES)
    if wrong.size:
        raise UserError(
            f"{path}: {name}: record {wrong[0]} has the label {records[wrong[0], 0]}, expected 0 to {CLASSES - 1}; "
            "download the archive again"
        )
    return records


def _class_names(content: bytes, path: Path) -> tuple[str, ...]:
    names = tuple(line.strip() for line in content.decode("ascii", "replace").splitlines() if line.strip())
    if len(set(names)) != CLASSES or len(names) != CLASSES or not all(PRINTABLE.fullmatch(n) for n in names):
        raise UserError(
            f"{path}: {META}: found {len(set(names))} different class names, expected {CLASSES} of printable ASCII: "
            f"{ascii(', '.join(names))[:200]}; download the archive again"
        )
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
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return compressed.getvalue()
