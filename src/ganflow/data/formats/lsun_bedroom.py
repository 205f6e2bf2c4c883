"""LSUN bedroom in its official archives: two zips, each with an LMDB of 40-hex keys and encoded photographs.

data.mdb is extracted once into the scratch folder and kept until the shards are finished; worker processes read the
photographs from there. Samples are in key order; keys may be any bytes.
"""

import hashlib
import io
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import ClassVar

import lmdb
from PIL import Image

from ganflow import artifacts
from ganflow.data.decoding import decode
from ganflow.data.interfaces import Archive, CorruptImage, Format, Sample
from ganflow.data.lmdb_file import Entry, LmdbFile
from ganflow.data.zip_file import extract_member

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
LARGEST_VALUE = 64 << 20  # bytes of an encoded photograph
MAP_SIZE = 1 << 34  # maximum bytes of a written data.mdb; stored in the file, hence constant


class LsunBedroom(Format):
    """3,033,042 photographs of bedrooms and 300 for validation, short side 256 pixels, without labels."""

    archives: ClassVar[tuple[Archive, ...]] = tuple(ARCHIVES.values())
    images: ClassVar[dict[str, int]] = {"train": 3_033_042, "validation": 300}
    scene: ClassVar[str] = "bedrooms"

    def classes(self, folder: Path) -> tuple[str, ...]:
        """Empty: the images have no labels."""
        return ()

    def samples(self, folder: Path, split: str) -> Iterator[Sample]:
        """The photographs in key order, as upright RGB."""
        path = folder / ARCHIVES[split].name
        inside = path.name.removesuffix(".zip")
        member, others = f"{inside}/data.mdb", {f"{inside}/": 0, f"{inside}/lock.mdb": LARGEST_LOCK}
        data = extract_member(path, member, others, _scratch(folder) / f"{split}.mdb")
        with closing(LmdbFile(data, f"{path}: {member}")) as file:
            for index, entry in enumerate(file.entries()):
                yield Sample(f"{index:08d}", partial(_photograph, data, entry), None)

    def discard(self, folder: Path) -> None:
        """Deletes the extracted files."""
        shutil.rmtree(_scratch(folder))

    def write(self, folder: Path, split_samples: Callable[[str], Iterable[Sample]], classes: tuple[str, ...]) -> None:
        """Writes both zips, the images as lossless WebP, under keys in sample order."""
        for split, archive in ARCHIVES.items():
            with tempfile.TemporaryDirectory(dir=_scratch(folder)) as scratch:
                _write_lmdb(Path(scratch), split_samples(split))
                _write_zip(folder / archive.name, Path(scratch) / "data.mdb")
        self.discard(folder)


def _scratch(folder: Path) -> Path:
    return artifacts.scratch("lsun", artifacts.digest_value(folder.as_posix()))


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
        member = _member(f"{folder}/data.mdb", 0o100644)
        member.file_size = data.stat().st_size
        with data.open("rb") as source, archive.open(member, "w") as target:
            shutil.copyfileobj(source, target, artifacts.BLOCK)
        archive.writestr(_member(f"{folder}/lock.mdb", 0o100644), b"")


def _member(name: str, mode: int) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    member.create_system, member.external_attr = 3, mode << 16
    return member
