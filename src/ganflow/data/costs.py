"""What the whole of a data set takes: hours of sharding and bytes of disk, from a measured rate of one core.

The constants were measured on real bedroom photographs, on one core of the machine that docs/data.md names.
"""

from dataclasses import dataclass

import numpy as np

from ganflow.config import Encoding
from ganflow.data import SPLITS
from ganflow.data.interfaces import Format
from ganflow.data.shards import BLOCK, Layout

PACKED = {32: 1.84, 64: 1.52, 128: 1.25, 256: 0.91}  # bytes of a pixel as lossless WebP, by the side in pixels
UNPACKED = 1.23  # bytes of LSUN's data.mdb for one of its zip
UNPACKING = 220e6  # bytes of data.mdb a second, in one process
DISPATCH = 20e-6  # seconds that the writing process spends on an image,
WRITING = 700e6  # and bytes a second that it takes over, hashes and writes
HASHING = 750e6  # bytes a second; the manifest (SHA-256) and DVC (MD5) read archives and shards once each


@dataclass(frozen=True)
class FullSizeCost:
    """Hours on some cores, and bytes; the peak is that of the disk while shards are made, everything kept."""

    images: int
    unpacking_hours: float
    sharding_hours: float
    digest_hours: float
    archives: int
    unpacked: int  # in build/scratch, only while shards are made
    shards: int

    @property
    def hours(self) -> float:
        """All of it but the download."""
        return self.unpacking_hours + self.sharding_hours + self.digest_hours

    @property
    def peak(self) -> int:
        """Bytes with a cache that links (reflink, hardlink, symlink)."""
        return self.archives + self.unpacked + self.shards

    @property
    def peak_with_copies(self) -> int:
        """Bytes with a cache that copies: archives and shards lie there once more."""
        return max(self.peak + self.archives, 2 * (self.archives + self.shards))


def full_size_cost(
    form: Format, resolution: int, encoding: Encoding, cores: int, images_per_second: float
) -> FullSizeCost:
    """What a format's official archives take, at `images_per_second` of one core from encoded picture to shard.

    The cores share the decoding; one process unpacks the archive before, and writes beside them.
    """
    images = sum(form.images[split] for split in SPLITS)
    archives = sum(archive.bytes for archive in form.archives)
    zipped = sum(archive.bytes for archive in form.archives if archive.name.endswith("_lmdb.zip"))
    sample = _sample_bytes(Layout((resolution, resolution, 3), "uint8", form.labelled, encoding))
    decoding, writing = 1 / (images_per_second * cores), DISPATCH + sample / WRITING
    return FullSizeCost(
        images=images,
        unpacking_hours=zipped * UNPACKED / UNPACKING / 3600,
        sharding_hours=images * max(decoding, writing) / 3600,
        digest_hours=2 * (archives + images * sample) / HASHING / 3600,
        archives=archives,
        unpacked=round(zipped * UNPACKED),
        shards=round(images * sample),
    )


def _sample_bytes(layout: Layout) -> float:
    """Bytes of one sample in a shard; of packed ones the mean, with half a block of padding."""
    if layout.stride:
        return layout.stride
    side = layout.shape[0]
    sides = sorted(PACKED)
    pixel = np.interp(np.log2(side), np.log2(sides), [PACKED[known] for known in sides])
    return layout.content + side * side * float(pixel) + BLOCK / 2
