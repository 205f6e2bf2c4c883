"""LSUN bedroom in its official archives: two zips, each with an LMDB of 40-hex keys and encoded photographs.

data.mdb goes once into an unnamed temporary file, which vanishes with the process however it ends, and is compared with
its own page count first: LMDB maps the file, and one cut short would kill the process. Order = the order of the keys.
"""

import hashlib
import io
import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, ClassVar

import lmdb
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ganflow import artifacts
from ganflow.data.interfaces import Archive, BrokenImage, Format, Sample
from ganflow.errors import UserError

ARCHIVES = {
    "train": Archive(
        name="bedroom_train_lmdb.zip",
        url="http://dl.yf.io/lsun/scenes/bedroom_train_lmdb.zip",
        bytes=45_922_737_680,
        sha256="a15644c2e7153106867f0adb3491fc41224102d1f01b24494fb47d9f5d1f174e",
    ),
    "validation": Archive(
        name="bedroom_val_lmdb.zip",
        url="http://dl.yf.io/lsun/scenes/bedroom_val_lmdb.zip",
        bytes=4_670_661,
        sha256="5d022e781b241c25ec2e1f1f769afcdb8091d7fd58362667aec03137b8114b12",
    ),
}
ENCODINGS = ("WEBP", "JPEG", "PNG")  # the official entries are WebP, whatever LSUN's README says
SMALLEST_SIDE = 16  # pixels
LARGEST_IMAGE = 64_000_000  # pixels
LARGEST_LOCK = 1 << 20  # bytes
MAP_SIZE = 1 << 34  # bytes of a written data.mdb at most; it stands in the file, so it is a constant
META = struct.Struct("<16xII16xI44x48xQQ")  # of an LMDB meta page: magic, version, page size, last page, transaction
MAGIC = (0xBEEFC0DE, 1)
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    struct.error,
)


class LsunBedroom(Format):
    """3,033,042 photographs of bedrooms and 300 for validation, short side 256 pixels, without labels."""

    archives: ClassVar[tuple[Archive, ...]] = tuple(ARCHIVES.values())
    images: ClassVar[dict[str, int]] = {"train": 3_033_042, "validation": 300}
    scene: ClassVar[str] = "bedrooms"

    def classes(self, folder: Path) -> tuple[str, ...]:
        """Empty: the images have no labels."""
        return ()

    def samples(self, folder: Path, split: str) -> Iterator[Sample]:
        """The photographs in the order of their LMDB keys, in RGB, turned upright."""
        path = folder / ARCHIVES[split].name
        with _unpack(path) as data:
            for index, (key, value) in enumerate(_entries(data, path)):
                yield Sample(f"{index:08d}", partial(_decode, value, key), None)

    def write(self, folder: Path, draw: Callable[[str], Iterable[Sample]], classes: tuple[str, ...]) -> None:
        """Writes both zips, the images as lossless WebP, under keys whose order is that of the drawings."""
        for split, archive in ARCHIVES.items():
            with tempfile.TemporaryDirectory(dir=_scratch()) as scratch:
                _write_lmdb(Path(scratch), draw(split))
                _write_zip(folder / archive.name, Path(scratch) / "data.mdb")


def _scratch() -> Path:
    folder = artifacts.SCRATCH / "lsun"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _unpack(path: Path) -> BinaryIO:
    """data.mdb out of a zip as an unnamed file, checked against its CRC and page count; raises UserError otherwise."""
    try:
        with zipfile.ZipFile(path) as archive:
            member = _data_member(archive, path)
            free = shutil.disk_usage(_scratch()).free
            if member.file_size > free:
                raise UserError(
                    f"{_scratch()}: has {free} bytes free, expected {member.file_size} to unpack {path}; make room"
                )
            data = tempfile.TemporaryFile(dir=_scratch())  # noqa: SIM115 (the caller closes it)
            with archive.open(member) as packed:
                shutil.copyfileobj(packed, data, artifacts.BLOCK)
        data.flush()
        _check_pages(data, f"{path}: {member.filename}")
        return data
    except FileNotFoundError:
        raise UserError(f"{path}: no such archive; run `dvc repro` to download it") from None
    except DAMAGED as error:
        raise UserError(f"{path}: damaged or not a zip ({_reason(error)}); delete it and download it again") from None


def _data_member(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    """The entry of data.mdb, among the known entries only, each there once and of a size that it can have."""
    folder = path.name.removesuffix(".zip")
    largest = {
        f"{folder}/": 0,
        f"{folder}/data.mdb": 4 * path.stat().st_size + (64 << 20),  # encoded photographs hardly shrink
        f"{folder}/lock.mdb": LARGEST_LOCK,
    }
    seen = {}
    for member in archive.infolist():
        fault = None
        if member.filename not in largest:
            fault = f"is not in the official archive, expected only {sorted(largest)}"
        elif member.filename in seen:
            fault = "is there twice, expected once"
        elif member.file_size > largest[member.filename]:
            fault = f"unpacks to {member.file_size} bytes, expected at most {largest[member.filename]}"
        elif member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.flag_bits & 1:
            fault = "is encrypted or packed in an unusual way, expected stored or deflated"
        if fault:
            raise UserError(f"{path}: {member.filename!r} {fault}; delete the archive and download it again")
        seen[member.filename] = member
    if f"{folder}/data.mdb" not in seen:
        raise UserError(f"{path}: {folder}/data.mdb: expected in the archive, found {sorted(seen)}; download it again")
    return seen[f"{folder}/data.mdb"]


def _check_pages(data: BinaryIO, where: str) -> None:
    """Raises UserError unless an LMDB file holds every page that its newest meta page speaks of."""
    size = data.seek(0, io.SEEK_END)
    data.seek(0)
    first = data.read(META.size).ljust(META.size, b"\0")
    page_size = META.unpack(first)[2]
    data.seek(page_size)
    second = data.read(META.size).ljust(META.size, b"\0")
    metas = [META.unpack(meta) for meta in (first, second)]
    if any(meta[:2] != MAGIC or meta[2] != page_size for meta in metas) or page_size.bit_count() != 1:
        raise UserError(f"{where}: not an LMDB file of version {MAGIC[1]}; delete the archive and download it again")
    last_page = max(metas, key=lambda meta: meta[4])[3]
    if size < (last_page + 1) * page_size:
        raise UserError(
            f"{where}: cut short: has {size} bytes, expected at least {(last_page + 1) * page_size}; "
            "delete the archive and download it again"
        )


def _entries(data: BinaryIO, path: Path) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of an LMDB file, in the order of the keys."""
    try:
        with (
            lmdb.open(
                f"/dev/fd/{data.fileno()}", subdir=False, readonly=True, lock=False, readahead=False, max_readers=1
            ) as environment,
            environment.begin() as transaction,
        ):
            yield from transaction.cursor()
    except lmdb.Error as error:
        raise UserError(f"{path}: data.mdb: damaged ({_reason(error)}); delete it and download it again") from None


def _decode(value: bytes, key: bytes) -> Image.Image:
    """An encoded picture in RGB, upright; raises BrokenImage, with the entry's key."""
    try:
        if not value:
            raise ValueError("empty")
        with Image.open(io.BytesIO(value), formats=ENCODINGS) as image:
            if min(image.size) < SMALLEST_SIDE or image.width * image.height > LARGEST_IMAGE:
                raise ValueError(
                    f"{image.width}x{image.height} pixels, expected sides of at least {SMALLEST_SIDE} and at most "
                    f"{LARGEST_IMAGE} in all"
                )
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return _to_rgb(image)
    except Image.DecompressionBombError:
        reason = f"more than {LARGEST_IMAGE} pixels"
    except UnidentifiedImageError:  # its own text holds a memory address
        reason = f"{len(value)} bytes that are not {', '.join(ENCODINGS[:-1])} or {ENCODINGS[-1]}"
    except Exception as error:  # Pillow raises anything from SyntaxError to struct.error for broken bytes
        reason = _reason(error)
    raise BrokenImage(_shown(key), reason)


def _shown(key: bytes) -> str:
    """A key as text, whatever bytes it holds."""
    return key.decode("ascii") if re.fullmatch(rb"[!-~]+", key) else f"hex {key.hex()}"


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any mode in RGB: what is transparent lies on white, 16-bit grey is scaled to 8 bits."""
    if image.mode.startswith("I"):
        grey = np.asarray(image).astype(np.float64) / 257
        return Image.fromarray(grey.round().clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _write_lmdb(folder: Path, samples: Iterable[Sample]) -> None:
    """data.mdb of the samples as lossless WebP; keys begin with the index, so that both have one order."""
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
    """The official layout: a folder, data.mdb and a lock.mdb, here empty because LMDB's differs from run to run."""
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
