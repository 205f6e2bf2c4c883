"""Cost of preparing a full official dataset: hours and disk space, from the measured rate of one core.

The constants were measured on LSUN bedroom photographs, on one core of the machine described in docs/data.md.
"""

from dataclasses import dataclass

import numpy as np

from ganflow.config import Encoding
from ganflow.data import SPLITS
from ganflow.data.interfaces import Format
from ganflow.data.shards import BLOCK, Layout

WEBP_BYTES_PER_PIXEL = {32: 1.84, 64: 1.52, 128: 1.25, 256: 0.91}  # lossless, by side in pixels
EXTRACTED = 1.23  # size of LSUN's data.mdb relative to its zip
EXTRACTING = 220e6  # bytes/s of data.mdb, one process
DISPATCH = 20e-6  # seconds per image in the writing process
WRITING = 700e6  # bytes/s that the writing process receives, hashes and writes
HASHING = 750e6  # bytes/s; manifest (SHA-256) and DVC (MD5) read archives and shards once each


@dataclass(frozen=True)
class FullSizeCost:
    """Hours and bytes; `peak` is the maximum disk usage while shards are written, with everything kept."""

    images: int
    extracting_hours: float
    sharding_hours: float
    digest_hours: float
    archives: int
    extracted: int  # in build/scratch, until the shards are finished
    shards: int

    @property
    def hours(self) -> float:
        """Total without the download."""
        return self.extracting_hours + self.sharding_hours + self.digest_hours

    @property
    def peak(self) -> int:
        """Bytes with a DVC cache that links (reflink, hardlink, symlink)."""
        return self.archives + self.extracted + self.shards

    @property
    def peak_with_copies(self) -> int:
        """Bytes with a DVC cache that copies archives and shards."""
        return max(self.peak + self.archives, 2 * (self.archives + self.shards))


def full_size_cost(
    form: Format, resolution: int, encoding: Encoding, cores: int, images_per_second: float
) -> FullSizeCost:
    """Cost of a format's official archives, at `images_per_second` of one core from encoded image to shard.

    All cores decode; one process extracts the archive first and writes the shards.
    """
    images = sum(form.images[split] for split in SPLITS)
    archives = sum(archive.bytes for archive in form.archives)
    zipped = sum(archive.bytes for archive in form.archives if archive.name.endswith("_lmdb.zip"))
    sample = _sample_bytes(Layout((resolution, resolution, 3), "uint8", form.labelled, encoding))
    decoding, writing = 1 / (images_per_second * cores), DISPATCH + sample / WRITING
    return FullSizeCost(
        images=images,
        extracting_hours=zipped * EXTRACTED / EXTRACTING / 3600,
        sharding_hours=images * max(decoding, writing) / 3600,
        digest_hours=2 * (archives + images * sample) / HASHING / 3600,
        archives=archives,
        extracted=round(zipped * EXTRACTED),
        shards=round(images * sample),
    )


def _sample_bytes(layout: Layout) -> float:
    """Bytes of one sample in a shard; for WebP the mean, with half a block of padding."""
    if layout.stride:
        return layout.stride
    side = layout.shape[0]
    sides = sorted(WEBP_BYTES_PER_PIXEL)
    pixel = np.interp(np.log2(side), np.log2(sides), [WEBP_BYTES_PER_PIXEL[known] for known in sides])
    return layout.content + side * side * float(pixel) + BLOCK / 2
