"""Deterministic WebDataset shards: ustar files that any WebDataset user can stream, byte-identical for equal samples.

Every sample takes the same number of bytes, so that a shard is also an array (see reader.py); index.json says where it
lies and what the digests are. A sample is an .npy, an image as uint8 (height, width, 3) or a point as float32 (d,), and
its label, if any, ASCII digits in a .cls.
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
BATCH = 256  # samples that a process decodes before the next are read
MOST_SAMPLES = 10**9
LARGEST_SIDE = 4096  # pixels, or coordinates of a point

Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Side = Annotated[int, Field(ge=1, le=LARGEST_SIDE)]
DType = Literal["uint8", "float32"]


class Shard(Model):
    """One tar file: the sample k of it begins at `first` + k * `stride` bytes."""

    name: Text
    count: int = Field(ge=1, le=MOST_SAMPLES)
    bytes: int = Field(ge=1)
    sha256: Digest
    first: Literal[0]
    stride: int = Field(ge=1)


class Index(Model):
    """index.json: what the shards of a split hold."""

    dataset: Name
    split: Name
    encoding: Literal["npy"]
    shape: tuple[Side, ...] = Field(strict=False, description="(height, width, 3) of images, (d,) of points")
    dtype: DType
    count: int = Field(ge=1, le=MOST_SAMPLES)
    labelled: bool
    classes: tuple[Text, ...] = Field(strict=False)
    shards: tuple[Shard, ...] = Field(strict=False, min_length=1)


@dataclass(frozen=True)
class Layout:
    """Where things lie in a sample; every length in bytes."""

    shape: tuple[int, ...]
    dtype: DType
    labelled: bool

    @property
    def label(self) -> int:
        """From the sample's begin to its label's digits, which zeros follow."""
        return BLOCK

    @cached_property
    def values(self) -> int:
        """From the sample's begin to its first pixel or coordinate."""
        return (3 * BLOCK if self.labelled else BLOCK) + NPY_HEADER

    @cached_property
    def npy_bytes(self) -> int:
        """The size of a sample's .npy."""
        return NPY_HEADER + int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize

    @cached_property
    def stride(self) -> int:
        """From one sample to the next."""
        return self.values - NPY_HEADER + _padded(self.npy_bytes)

    @cached_property
    def npy_header(self) -> bytes:
        """The npy header (version 1.0) of every sample."""
        header = io.BytesIO()
        descr = {"uint8": "|u1", "float32": "<f4"}[self.dtype]
        shape = tuple(int(side) for side in self.shape)
        np.lib.format.write_array_header_1_0(header, {"descr": descr, "fortran_order": False, "shape": shape})
        return header.getvalue()

    def sample(self, key: str, values: np.ndarray, label: int | None) -> bytes:
        """The members of one sample: `key`.cls if the samples are labelled, then `key`.npy."""
        members = b""
        if self.labelled:
            digits = str(label).encode()
            members = tar_header(f"{key}.cls", len(digits)) + digits.ljust(BLOCK, b"\0")
        header = tar_header(f"{key}.npy", self.npy_bytes)
        return (members + header + self.npy_header + values.tobytes()).ljust(self.stride, b"\0")

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
    shape: tuple[int, ...],
    shard_size: int,
    classes: tuple[str, ...],
    processes: int = 1,
    most_broken: float = 0.0,
) -> list[dict[str, str]]:
    """Writes shards of `shard_size` samples (the last may hold fewer) and index.json; labelled if there are classes.

    `shape` is (side, side, 3) for pictures, which are cut to it, and (d,) for points. Images that can't be used are
    left out, and returned as {sample, key, reason} in the order of the samples. At most the share `most_broken` of the
    images, rounded up, may be so. `processes` decode and resize; neither the bytes written nor what is left out depends
    on it. Raises UserError if too many are broken or if there is no sample.
    """
    folder.mkdir(parents=True, exist_ok=True)
    layout = Layout(shape, "uint8" if len(shape) == 3 else "float32", bool(classes))
    shards: list[Shard] = []
    left_out = LeftOut(f"{dataset} {split}", most_broken)
    with closing(_arrays(samples, layout, processes)) as arrays:
        contents = (layout.sample(sample.key, array, sample.label) for sample, array in left_out.of(arrays))
        for first in contents:
            name = shard_name(dataset, split, len(shards))
            batch = itertools.chain([first], itertools.islice(contents, shard_size - 1))
            shards.append(_write_shard(folder / name, batch, layout))
    if not shards:
        raise UserError(f"{folder}: the split {split!r} of {dataset} holds no sample, expected at least one")
    index = Index(
        dataset=dataset,
        split=split,
        encoding="npy",
        shape=layout.shape,
        dtype=layout.dtype,
        count=sum(shard.count for shard in shards),
        labelled=layout.labelled,
        classes=tuple(classes),
        shards=tuple(shards),
    )
    artifacts.write_json(folder / INDEX, index.model_dump())
    return left_out.images


def _arrays(
    samples: Iterable[Sample], layout: Layout, processes: int
) -> Iterator[tuple[Sample, np.ndarray | BrokenImage]]:
    """Each sample with what is stored of it, in order; `processes` > 1 share the decoding."""
    values = partial(_values, layout.shape)
    if processes == 1:
        yield from ((sample, values(sample.content)) for sample in samples)
        return
    stream = iter(samples)
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        while batch := list(itertools.islice(stream, processes * BATCH)):
            arrays = pool.map(values, [sample.content for sample in batch], chunksize=BATCH // 8)
            yield from zip(batch, arrays, strict=True)


def _values(shape: tuple[int, ...], content: Callable[[], Image.Image | np.ndarray]) -> np.ndarray | BrokenImage:
    """The array that is stored: a picture cut to `shape`, or a point that has it already."""
    try:
        made = content()
    except BrokenImage as broken:
        return broken
    if isinstance(made, Image.Image):
        return square(made, shape[0])
    if made.shape != shape or made.dtype != np.float32:
        raise ValueError(f"a point of {made.dtype} {made.shape}, expected float32 {shape}")
    return made.astype("<f4")


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
