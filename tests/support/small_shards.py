"""Shards of a few random images; processes that write them import this module."""

import os
import signal
from functools import partial

import numpy as np
import pytest
from PIL import Image

from ganflow.data.interfaces import CorruptImage, Sample
from ganflow.data.reader import Shards
from ganflow.data.writing import write_shards
from ganflow.errors import UserError

CLASSES = tuple(f"class {number}" for number in range(12))


def arrays(count, side=8):
    return np.random.default_rng(count).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def samples(images, labels=None):
    for index, image in enumerate(images):
        label = None if labels is None else int(labels[index])
        yield Sample(f"{index:08d}", partial(Image.fromarray, image), label)


def make(folder, count=7, side=8, shard_size=3, labelled=True, **options):
    """Shards of random images; returns (images, labels)."""
    images, labels = arrays(count, side), np.arange(count) * 5 % len(CLASSES)
    given = samples(images, labels if labelled else None)
    about = {"dataset": "toys", "split": "train", "shape": (side, side, 3), "classes": CLASSES if labelled else ()}
    write_shards(given, folder, shard_size=shard_size, **about, **options)
    return images, labels


def unreadable():
    """The image of a sample in a damaged archive."""
    raise UserError("archive.zip: key 'k': broken")


def broken(key, reason):
    """An image that is skipped."""
    raise CorruptImage(key, reason)


def deadly(index, alive):
    """An image whose reading ends its process, as the system does when memory is short, unless the file is there."""
    if not alive.exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return np.full((8, 8, 3), index, np.uint8)


def exhausting():
    """An image for which there is not enough memory."""
    raise MemoryError


def refused(folder, *words):
    with pytest.raises(UserError) as caught:
        Shards(folder)
    for word in (folder, *words):
        assert str(word) in str(caught.value)
