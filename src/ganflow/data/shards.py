"""The layout of shards: ustar files that any WebDataset reader can stream, with an index for random access.

A sample is an image, uint8 (height, width, 3), as .npy or lossless .webp, or a point, float32 (d,), as .npy, after its
label, if any, as ASCII digits in a .cls. Raw samples have a fixed size; the offsets of others are in offsets.npy.
index.json lists the files with sizes and digests.
"""

import io
import tarfile
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, StringConstraints

from ganflow.config import Encoding, Model, Name
from ganflow.data.image_codec import encode_webp

INDEX, OFFSETS = "index.json", "offsets.npy"
BLOCK = 512  # bytes of a tar header; contents are padded to a multiple
NPY_HEADER = 128  # bytes
MAX_SAMPLES = 10**9
MAX_SIDE = 4096  # pixels, or coordinates of a point

Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
DType = Literal["uint8", "float32"]


class Shard(Model):
    """One tar file; its sample k starts at byte k * `stride` or, without a stride, at its offset in offsets.npy."""

    name: Text
    count: int = Field(ge=1, le=MAX_SAMPLES)
    bytes: int = Field(ge=1)
    sha256: Digest
    first: Literal[0]
    stride: int | None = Field(ge=1)


class Index(Model):
    """index.json: the contents of a split's shards; `offsets` is the sha256 of offsets.npy, if there is one."""

    dataset: Name
    split: Name
    encoding: Encoding
    shape: tuple[Side, ...] = Field(strict=False, description="(height, width, 3) of images, (d,) of points")
    dtype: DType
    count: int = Field(ge=1, le=MAX_SAMPLES)
    labelled: bool
    classes: tuple[Text, ...] = Field(strict=False)
    offsets: Digest | None
    shards: tuple[Shard, ...] = Field(strict=False, min_length=1)


@dataclass(frozen=True)
class Layout:
    """The byte layout of a sample; offsets are relative to its start."""

    shape: tuple[int, ...]
    dtype: DType
    labelled: bool
    encoding: Encoding = "raw"

    @property
    def label(self) -> int:
        """Offset of the label's digits, which are followed by zeros."""
        return BLOCK

    @cached_property
    def header(self) -> int:
        """Offset of the tar header of the image or point."""
        return 2 * BLOCK if self.labelled else 0

    @cached_property
    def content(self) -> int:
        """Offset of the content of the .npy or .webp."""
        return self.header + BLOCK

    @cached_property
    def npy_bytes(self) -> int:
        """Size of a sample's .npy."""
        return NPY_HEADER + int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize

    @cached_property
    def stride(self) -> int | None:
        """Bytes from one sample to the next, if fixed; else None."""
        return self.content + padded(self.npy_bytes) if self.encoding == "raw" else None

    @cached_property
    def npy_header(self) -> bytes:
        """The npy header (version 1.0) of every sample."""
        header = io.BytesIO()
        descr = {"uint8": "|u1", "float32": "<f4"}[self.dtype]
        shape = tuple(int(side) for side in self.shape)
        np.lib.format.write_array_header_1_0(header, {"descr": descr, "fortran_order": False, "shape": shape})
        return header.getvalue()

    @cached_property
    def extension(self) -> str:
        """Extension of the member that holds the image or point."""
        return {"raw": "npy", "webp": "webp"}[self.encoding]

    def sample(self, key: str, values: np.ndarray, label: int | None) -> bytes:
        """The members of one sample: `key`.cls if the samples are labelled, then `key`.npy or `key`.webp."""
        members = b""
        if self.labelled:
            if label is None:
                raise ValueError(f"{key}: has no label, expected one as the samples have classes")
            digits = b"%d" % label
            members = tar_header(f"{key}.cls", len(digits)) + digits.ljust(BLOCK, b"\0")
        content = self.npy_header + values.tobytes() if self.encoding == "raw" else encode_webp(values)
        header = tar_header(f"{key}.{self.extension}", len(content))
        return b"".join((members, header, content, bytes(-len(content) % BLOCK)))


def shard_bytes(length: int) -> int:
    """Size of a shard: `length` bytes of samples, two empty blocks, padding to a complete tar record."""
    return -(-(length + 2 * BLOCK) // tarfile.RECORDSIZE) * tarfile.RECORDSIZE


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
    """The header of a file without a name, and its checksum; three times as fast as one TarInfo per file."""
    member = tarfile.TarInfo("")
    member.size, member.mode = size, 0o644
    header = member.tobuf(tarfile.USTAR_FORMAT)
    return header, int(header[148:154], 8)


def padded(size: int) -> int:
    """`size` bytes rounded up to complete tar blocks."""
    return -(-size // BLOCK) * BLOCK
