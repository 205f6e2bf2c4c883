"""Forty samples that take their time and say that they were asked for: writing them can be cut off and watched."""

import time
from functools import partial
from pathlib import Path

import numpy as np
from small_shards import CLASSES

from ganflow.data.interfaces import CorruptImage, Sample
from ganflow.data.writing import write_shards

ABOUT = {"dataset": "toys", "split": "train", "shape": (8, 8, 3), "shard_size": 5, "classes": CLASSES}


def slow(index: int, calls: Path | None = None, seconds: float = 0.0) -> np.ndarray:
    """Image `index`; says that it was asked for. Those of index 0, 11, 22, 33 can't be used."""
    if calls:
        with calls.open("a") as file:
            file.write(f"{index}\n")
    time.sleep(seconds)
    if index % 11 == 0:
        raise CorruptImage(f"k{index}", "cut short")
    return np.full((8, 8, 3), index, np.uint8)


def forty(calls: Path | None = None, seconds: float = 0.0):
    for index in range(40):
        yield Sample(f"{index:08d}", partial(slow, index, calls, seconds), index % 12)


def write(folder, **options):
    """Shards of forty samples, four of them broken, with a scratch folder beside them."""
    given = forty(options.pop("calls", None), options.pop("seconds", 0.0))
    kept = folder.with_name(folder.name + "-kept")
    return write_shards(given, folder, **ABOUT, **options, max_corrupt=0.1, resume_folder=kept)
