"""The layout of shards: ustar files that any WebDataset reader can stream, with an index for random access.

A sample is an image, uint8 (height, width, 3), as .npy or lossless .webp, or a point, float32 (d,), as .npy, after its
label, if any, as ASCII digits in a .cls, and its conditions, if any: images as .<name>.png, texts as .<name>.txt,
attributes as .<name>.json. Raw samples have a fixed size; the offsets of others are in offsets.npy. index.json lists
the files with sizes and digests.
"""

import io
import json
import tarfile
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, StringConstraints

from ganflow.config import Encoding, Model, Name
from ganflow.data.image_codec import encode_webp
from ganflow.data.stored_png import encode_png, png_bytes

INDEX, OFFSETS = "index.json", "offsets.npy"
BLOCK = 512  # bytes of a tar header; contents are padded to a multiple
NPY_HEADER = 128  # bytes
MAX_SAMPLES = 10**9
MAX_SIDE = 4096  # pixels, or coordinates of a point

EXTENSIONS = {"image": "png", "text": "txt", "attributes": "json"}

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


class Member(Model):
    """A condition in every sample: an image of a shape, or a text or attributes of at most 512 bytes."""

    name: Name
    kind: Literal["image", "text", "attributes"]
    shape: tuple[Side, Side, Literal[1, 3]] | None = Field(strict=False)

    @property
    def extension(self) -> str:
        """What follows the key in the name of the tar's member."""
        return f"{self.name}.{EXTENSIONS[self.kind]}"

    @property
    def largest(self) -> int:
        """Bytes that it has at most; images have exactly these."""
        return BLOCK if self.shape is None else png_bytes(self.shape)

    @property
    def stride(self) -> int:
        """Bytes that it takes in a shard."""
        return BLOCK + padded(self.largest)

    def encoded(self, value: np.ndarray | str | dict[str, str]) -> bytes:
        """The content of the tar's member; raises ValueError for an image of another shape, and for a text that is
        empty or too long."""
        if isinstance(value, np.ndarray):
            if value.shape != self.shape:
                raise ValueError(f"{self.name}: an image of {value.shape}, expected {self.shape}")
            return encode_png(value)
        content = (value if isinstance(value, str) else json.dumps(value)).encode()
        if not 1 <= len(content) <= self.largest:
            raise ValueError(f"{self.name}: {len(content)} bytes, expected 1 to {self.largest}")
        return content


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
    conditions: tuple[Member, ...] = Field(strict=False, max_length=20)
    attributes: dict[Name, Annotated[tuple[Text, ...], Field(strict=False)]]  # {attribute: its values}
    offsets: Digest | None
    shards: tuple[Shard, ...] = Field(strict=False, min_length=1)

    @property
    def layout(self) -> "Layout":
        """The layout of its samples."""
        return Layout(self.shape, self.dtype, self.labelled, self.encoding, self.conditions)


@dataclass(frozen=True)
class Layout:
    """The byte layout of a sample; offsets are relative to its start."""

    shape: tuple[int, ...]
    dtype: DType
    labelled: bool
    encoding: Encoding = "raw"
    conditions: tuple[Member, ...] = ()

    @property
    def label(self) -> int:
        """Offset of the label's digits, which are followed by zeros."""
        return BLOCK

    @cached_property
    def condition_headers(self) -> tuple[int, ...]:
        """Offsets of the conditions' tar headers."""
        first = 2 * BLOCK if self.labelled else 0
        return tuple(first + sum(m.stride for m in self.conditions[:n]) for n in range(len(self.conditions)))

    @cached_property
    def header(self) -> int:
        """Offset of the tar header of the image or point."""
        return (2 * BLOCK if self.labelled else 0) + sum(member.stride for member in self.conditions)

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

    def sample(self, key: str, values: np.ndarray, label: int | None, conditions: tuple[bytes, ...] = ()) -> bytes:
        """The members of one sample: `key`.cls if the samples are labelled, the conditions' contents, then `key`.npy or
        `key`.webp."""
        members = b""
        if self.labelled:
            if label is None:
                raise ValueError(f"{key}: has no label, expected one as the samples have classes")
            digits = b"%d" % label
            members = tar_header(f"{key}.cls", len(digits)) + digits.ljust(BLOCK, b"\0")
        for member, content in zip(self.conditions, conditions, strict=True):
            header = tar_header(f"{key}.{member.extension}", len(content))
            members += header + content.ljust(padded(member.largest), b"\0")
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


@lru_cache(maxsize=1024)
def _template(size: int) -> tuple[bytes, int]:
    """The header of a file without a name, and its checksum; three times as fast as one TarInfo per file."""
    member = tarfile.TarInfo("")
    member.size, member.mode = size, 0o644
    header = member.tobuf(tarfile.USTAR_FORMAT)
    return header, int(header[148:154], 8)


def padded(size: int) -> int:
    """`size` bytes rounded up to complete tar blocks."""
    return -(-size // BLOCK) * BLOCK
