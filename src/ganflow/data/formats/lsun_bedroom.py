"""LSUN bedroom in its official archives: two zips, each with an LMDB of 40-hex keys and encoded photographs.

data.mdb is extracted once into the scratch folder and kept until the shards are finished; worker processes read the
photographs from there. An archive may also be a data.mdb that was extracted already. Samples are in key order; keys may
be any bytes.
"""

import hashlib
import io
import re
import shutil
import tempfile
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import ClassVar

import lmdb
from PIL import Image

from ganflow import artifacts
from ganflow.data.decoding import decode
from ganflow.data.faults import BadArchive
from ganflow.data.interfaces import Archive, CorruptImage, Format, Sample
from ganflow.data.lmdb_file import HEAD, Entry, LmdbFile, LmdbHead, is_lmdb
from ganflow.data.zip_file import extract_member, first_bytes
from ganflow.errors import UserError

DATA, LOCK = "data.mdb", "lock.mdb"
ARCHIVES = {
    "train": Archive(
        name="bedroom_train_lmdb.zip",
        urls=("http://dl.yf.io/lsun/scenes/bedroom_train_lmdb.zip",),
        bytes=45_922_737_680,
        sha256="a15644c2e7153106867f0adb3491fc41224102d1f01b24494fb47d9f5d1f174e",
    ),
    "validation": Archive(
        name="bedroom_val_lmdb.zip",
        urls=("http://dl.yf.io/lsun/scenes/bedroom_val_lmdb.zip",),
        bytes=4_670_661,
        sha256="5d022e781b241c25ec2e1f1f769afcdb8091d7fd58362667aec03137b8114b12",
    ),
}
LARGEST_LOCK = 1 << 20  # bytes
OTHERS = {LOCK: LARGEST_LOCK}  # {further member of an archive: maximum size}
LARGEST_VALUE = 64 << 20  # bytes of an encoded photograph
MAP_SIZE = 1 << 34  # maximum bytes of a written data.mdb; stored in the file, hence constant
SMALL = 256 << 20  # bytes of a data.mdb that `check` reads to its end
FIRST = 8  # photographs that `check` decodes


class LsunBedroom(Format):
    """3,033,042 photographs of bedrooms and 300 for validation, short side 256 pixels, without labels."""

    archives: ClassVar[tuple[Archive, ...]] = tuple(ARCHIVES.values())
    images: ClassVar[dict[str, int]] = {"train": 3_033_042, "validation": 300}
    unpacked: ClassVar[str] = DATA
    scene: ClassVar[str] = "bedrooms"

    def classes(self, folder: Path) -> tuple[str, ...]:
        """Empty: the images have no labels."""
        return ()

    def samples(self, folder: Path, split: str) -> Iterator[Sample]:
        """The photographs in key order, as upright RGB."""
        path = folder / ARCHIVES[split].name
        with closing(_open(path, _scratch(folder) / f"{split}.mdb")) as file:
            for index, entry in enumerate(file.entries()):
                yield Sample(f"{index:08d}", partial(_photograph, file.path, entry), None)

    def check(self, path: Path) -> str:
        """Reads a small archive completely but for its photographs, of which it decodes the first; of a large zip, what
        need not be extracted."""
        if path.exists() and not is_lmdb(path):
            start, size = first_bytes(path, _folder(path), DATA, OTHERS, HEAD)
            head = LmdbHead(start, size, path, f"{_folder(path)}/{DATA}")
            if size > SMALL:
                return _stated(head)
        try:
            with closing(_open(path, _scratch(path.parent) / DATA)) as file:
                found = [_unusable(file.path, entry) for entry in islice(file.entries(), FIRST)]
                if found and all(found):
                    raise BadArchive(path, f"none of its first {len(found)} photographs can be used: {found[0]}")
                if file.size <= SMALL:
                    deque(file.entries(), maxlen=0)
                return _stated(file)
        finally:
            self.discard(path.parent)

    def discard(self, folder: Path) -> None:
        """Deletes the extracted files."""
        shutil.rmtree(_scratch(folder))

    def write(self, folder: Path, split_samples: Callable[[str], Iterable[Sample]], classes: tuple[str, ...]) -> None:
        """Writes both zips, the images as lossless WebP, under keys in sample order."""
        for split, archive in ARCHIVES.items():
            with tempfile.TemporaryDirectory(dir=_scratch(folder)) as scratch:
                _write_lmdb(Path(scratch), split_samples(split))
                _write_zip(folder / archive.name, Path(scratch) / DATA)
        self.discard(folder)


def _scratch(folder: Path) -> Path:
    return artifacts.scratch("lsun", artifacts.digest_value(folder.as_posix()))


def _folder(path: Path) -> str:
    """The folder in an archive."""
    return path.name.removesuffix(".zip")


def _open(path: Path, target: Path) -> LmdbFile:
    """The LMDB file that an archive is, or that is extracted from it to `target`."""
    try:
        if is_lmdb(path):
            return LmdbFile(path, path, DATA)
        return LmdbFile(extract_member(path, _folder(path), DATA, OTHERS, target), path, f"{_folder(path)}/{DATA}")
    except FileNotFoundError:
        raise UserError(f"{path}: no such archive; run `dvc repro` to download it") from None


def _stated(head: LmdbHead) -> str:
    if not head.count:
        raise BadArchive(head.archive, f"{head.member}: holds no photograph, expected at least one")
    return f"{head.count} photographs"


def _unusable(data: Path, entry: Entry) -> str | None:
    """Why a photograph can't be used; None if it can."""
    try:
        _photograph(data, entry)
    except CorruptImage as corrupt:
        return f"{corrupt.key!r}: {corrupt.reason}"
    return None


def _photograph(data: Path, entry: Entry) -> Image.Image:
    """The photograph of an entry of data.mdb; raises CorruptImage with its key."""
    key = entry.key.decode("ascii") if re.fullmatch(rb"[!-~]+", entry.key) else f"hex {entry.key.hex()}"
    if entry.size > LARGEST_VALUE:
        raise CorruptImage(key, f"{entry.size} bytes, expected at most {LARGEST_VALUE}")
    with data.open("rb", buffering=0) as file:
        file.seek(entry.offset)
        return decode(file.read(entry.size), key)


def _write_lmdb(folder: Path, samples: Iterable[Sample]) -> None:
    """Writes data.mdb with the samples as lossless WebP; keys start with the index, which keeps their order."""
    with (
        lmdb.open(str(folder), map_size=MAP_SIZE, lock=False) as environment,
        environment.begin(write=True) as transaction,
    ):
        for index, sample in enumerate(samples):
            encoded = io.BytesIO()
            sample.image.save(encoded, "WEBP", lossless=True, method=0, quality=25)
            key = f"{index:08x}{hashlib.sha1(str(index).encode()).hexdigest()[:32]}"
            transaction.put(key.encode(), encoded.getvalue(), append=True)


def _write_zip(path: Path, data: Path) -> None:
    """Writes the official layout: a folder, data.mdb and lock.mdb, which is empty because LMDB's own varies."""
    folder = path.name.removesuffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(_member(f"{folder}/", 0o40755), b"")
        member = _member(f"{folder}/{DATA}", 0o100644)
        member.file_size = data.stat().st_size
        with data.open("rb") as source, archive.open(member, "w") as target:
            shutil.copyfileobj(source, target, artifacts.BLOCK)
        archive.writestr(_member(f"{folder}/{LOCK}", 0o100644), b"")


def _member(name: str, mode: int) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    member.create_system, member.external_attr = 3, mode << 16
    return member
