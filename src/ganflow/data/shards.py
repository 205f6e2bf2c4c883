"""Deterministic WebDataset shards: ustar files that any WebDataset user can stream, byte-identical for equal images.

Every sample takes the same number of bytes, so that a shard is also an array (see reader.py); index.json says where it
lies and what the digests are. The image is stored as uint8 .npy, height x width x 3, the label as ASCII digits in .cls.
"""

import hashlib
import io
import itertools
import tarfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from PIL import Image
from pydantic import Field, StringConstraints

from ganflow import artifacts
from ganflow.config import Model, Name
from ganflow.data.broken import LeftOut
from ganflow.data.interfaces import BrokenImage, Sample
from ganflow.errors import UserError

INDEX = "index.json"
BLOCK = 512  # bytes of a tar header, and what a member's content is padded to
NPY_HEADER = 128  # bytes
BATCH = 256  # images that a process decodes before the next are read
MOST_IMAGES = 10**9
LARGEST_SIDE = 4096  # pixels

Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Shard(Model):
    """One tar file: the sample k of it begins at `first` + k * `stride` bytes."""

    name: Text
    count: int = Field(ge=1, le=MOST_IMAGES)
    bytes: int = Field(ge=1)
    sha256: Digest
    first: Literal[0]
    stride: int = Field(ge=1)


class Index(Model):
    """index.json: what the shards of a split hold."""

    dataset: Name
    split: Name
    encoding: Literal["npy"]
    shape: tuple[
        Annotated[int, Field(ge=1, le=LARGEST_SIDE)], Annotated[int, Field(ge=1, le=LARGEST_SIDE)], Literal[3]
    ] = Field(strict=False, description="height, width, channels")
    count: int = Field(ge=1, le=MOST_IMAGES)
    labelled: bool
    classes: tuple[Text, ...] = Field(strict=False)
    shards: tuple[Shard, ...] = Field(strict=False, min_length=1)


@dataclass(frozen=True)
class Layout:
    """Where things lie in a sample; every length in bytes."""

    shape: tuple[int, int, int]
    labelled: bool

    @property
    def label(self) -> int:
        """From the sample's begin to its label's digits, which zeros follow."""
        return BLOCK

    @cached_property
    def pixels(self) -> int:
        """From the sample's begin to its first pixel."""
        return (3 * BLOCK if self.labelled else BLOCK) + NPY_HEADER

    @cached_property
    def stride(self) -> int:
        """From one sample to the next."""
        return self.pixels - NPY_HEADER + _padded(NPY_HEADER + int(np.prod(self.shape)))

    @cached_property
    def npy_header(self) -> bytes:
        """The npy header (version 1.0) of every image."""
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "|u1", "fortran_order": False, "shape": tuple(int(side) for side in self.shape)}
        )
        return header.getvalue()

    def sample(self, key: str, image: np.ndarray, label: int | None) -> bytes:
        """The members of one sample: `key`.cls if the images are labelled, then `key`.npy."""
        members = b""
        if self.labelled:
            digits = str(label).encode()
            members = tar_header(f"{key}.cls", len(digits)) + digits.ljust(BLOCK, b"\0")
        header = tar_header(f"{key}.npy", NPY_HEADER + image.size)
        return (members + header + self.npy_header + image.tobytes()).ljust(self.stride, b"\0")

    def shard_bytes(self, count: int) -> int:
        """The size of a shard: its samples, two empty blocks, and zeros up to a whole tar record."""
        return -(-(count * self.stride + 2 * BLOCK) // tarfile.RECORDSIZE) * tarfile.RECORDSIZE


def shard_name(dataset: str, split: str, number: int) -> str:
    """`<dataset>-<split>-000000.tar`."""
    return f"{dataset}-{split}-{number:06d}.tar"


def tar_header(name: str, size: int) -> bytes:
    """The ustar header of a regular file: mode 0644, no owner, no clock; `name` is ASCII of at most 100 characters."""
    template, checksum = _template(size)
    encoded = name.encode("ascii")
    checksum += sum(encoded)
    return b"%b%b%06o\0 %b" % (encoded, template[len(encoded) : 148], checksum, template[156:])


@lru_cache(maxsize=64)
def _template(size: int) -> tuple[bytes, int]:
    """The header of a file without a name, and its checksum: three times faster than to build one for each member."""
    member = tarfile.TarInfo("")
    member.size, member.mode = size, 0o644
    header = member.tobuf(tarfile.USTAR_FORMAT)
    return header, int(header[148:154], 8)


def square(image: Image.Image, resolution: int) -> np.ndarray:
    """The central square of an RGB image at `resolution` pixels a side, as uint8; smaller ones are enlarged."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    cropped = image.crop((left, top, left + side, top + side))
    return np.asarray(cropped.resize((resolution, resolution), Image.Resampling.LANCZOS))


def write_shards(
    samples: Iterable[Sample],
    folder: Path,
    *,
    dataset: str,
    split: str,
    resolution: int,
    shard_size: int,
    classes: tuple[str, ...],
    processes: int = 1,
    most_broken: float = 0.0,
) -> list[dict[str, str]]:
    """Writes shards of `shard_size` images (the last may hold fewer) and index.json; labelled if there are classes.

    Images that can't be used are left out, and returned as {sample, key, reason} in the order of the samples. At most
    the share `most_broken` of the images, rounded up, may be so. `processes` decode and resize; neither the bytes
    written nor what is left out depends on it. Raises UserError if too many are broken or if there is no image.
    """
    folder.mkdir(parents=True, exist_ok=True)
    layout = Layout((resolution, resolution, 3), bool(classes))
    shards: list[Shard] = []
    left_out = LeftOut(f"{dataset} {split}", most_broken)
    with closing(_pictures(samples, resolution, processes)) as pictures:
        contents = (layout.sample(sample.key, image, sample.label) for sample, image in left_out.of(pictures))
        for first in contents:
            name = shard_name(dataset, split, len(shards))
            batch = itertools.chain([first], itertools.islice(contents, shard_size - 1))
            shards.append(_write_shard(folder / name, batch, layout))
    if not shards:
        raise UserError(f"{folder}: the split {split!r} of {dataset} holds no image, expected at least one")
    index = Index(
        dataset=dataset,
        split=split,
        encoding="npy",
        shape=layout.shape,
        count=sum(shard.count for shard in shards),
        labelled=layout.labelled,
        classes=tuple(classes),
        shards=tuple(shards),
    )
    artifacts.write_json(folder / INDEX, index.model_dump())
    return left_out.images


def _pictures(
    samples: Iterable[Sample], resolution: int, processes: int
) -> Iterator[tuple[Sample, np.ndarray | BrokenImage]]:
    """Each sample with its square, in order; `processes` > 1 share the decoding."""
    pixels = partial(_pixels, resolution)
    if processes == 1:
        yield from ((sample, pixels(sample.picture)) for sample in samples)
        return
    stream = iter(samples)
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        while batch := list(itertools.islice(stream, processes * BATCH)):
            images = pool.map(pixels, [sample.picture for sample in batch], chunksize=BATCH // 8)
            yield from zip(batch, images, strict=True)


def _pixels(resolution: int, picture: Callable[[], Image.Image]) -> np.ndarray | BrokenImage:
    try:
        return square(picture(), resolution)
    except BrokenImage as broken:
        return broken


def _write_shard(path: Path, contents: Iterable[bytes], layout: Layout) -> Shard:
    count, digest = 0, hashlib.sha256()
    with path.open("wb", artifacts.BLOCK) as file:
        for content in contents:
            file.write(content)
            digest.update(content)
            count += 1
        end = bytes(layout.shard_bytes(count) - count * layout.stride)
        file.write(end)
        digest.update(end)
    return Shard(
        name=path.name,
        count=count,
        bytes=layout.shard_bytes(count),
        sha256=digest.hexdigest(),
        first=0,
        stride=layout.stride,
    )


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
