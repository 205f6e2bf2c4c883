"""Shards as one array: any samples of a split by their indices, straight out of memory-mapped files.

The order of a stream of batches is a pure function of (seed, position): it knows no worker, no rank and no state. An
index or a shard that is not what it says is refused with a sentence; `verify` reads every byte.
"""

import mmap
import resource
from functools import lru_cache
from pathlib import Path

import numpy as np

from ganflow import artifacts
from ganflow.config import checked
from ganflow.data.shards import BLOCK, INDEX, NPY_HEADER, Index, Layout, shard_name, tar_header
from ganflow.errors import UserError
from ganflow.randomness import generator

MOST_DIGITS = 8  # of a label
CURE = "delete the folder and run `dvc repro` to make it again"


class Shards:
    """The samples of one split: `count` of them, each an array of `shape` and `dtype`; no labels, no `classes`.

    Images are uint8 (height, width, 3), points float32 (d,).
    """

    def __init__(self, folder: Path):
        """Opens the split in `folder`; raises UserError if its index or a shard is absent or not what it should be."""
        self.folder = folder
        self.index = _read_index(folder / INDEX)
        self.count, self.shape, self.dtype = self.index.count, self.index.shape, np.dtype(self.index.dtype)
        self.labelled, self.classes = self.index.labelled, self.index.classes
        layout = Layout(self.shape, self.index.dtype, self.labelled)
        _allow_open_files(len(self.index.shards))
        self._samples, self._labels = [], []
        for shard in self.index.shards:
            mapped = _map(folder / shard.name, shard.bytes)
            _check_first(folder / shard.name, mapped, layout)
            strides = (layout.stride, *np.empty(self.shape, self.dtype).strides)
            self._samples.append(np.ndarray((shard.count, *self.shape), self.dtype, mapped, layout.values, strides))
            if self.labelled:
                labels = np.ndarray((shard.count,), f"S{MOST_DIGITS}", mapped, layout.label, (layout.stride,))
                self._labels.append(labels)
        self._ends = np.cumsum([shard.count for shard in self.index.shards])

    def samples(self, indices: np.ndarray) -> np.ndarray:
        """The samples at `indices` (n integers in 0..count-1): (n, *shape) of `dtype`."""
        return self._gather(self._samples, np.empty((len(indices), *self.shape), self.dtype), indices)

    def labels(self, indices: np.ndarray) -> np.ndarray:
        """The labels at `indices`, as int64 (n,) in 0..len(classes)-1; raises UserError if the images have none."""
        if not self.labelled:
            raise UserError(f"{self.folder}: the samples have no labels, expected some; choose a dataset with classes")
        digits = self._gather(self._labels, np.empty(len(indices), f"S{MOST_DIGITS}"), indices)
        try:
            labels = digits.astype(np.int64)
        except ValueError:
            labels = np.full(1, -1)
        if labels.size and not 0 <= labels.min() <= labels.max() < len(self.classes):
            raise UserError(f"{self.folder}: holds a label that is not in 0..{len(self.classes) - 1}; {CURE}")
        return labels

    def verify(self) -> None:
        """Reads every shard; raises UserError that names the first whose bytes are not those of its digest."""
        for shard in self.index.shards:
            path = self.folder / shard.name
            if (found := artifacts.digest_file(path)) != shard.sha256:
                raise UserError(f"{path}: altered: has the sha256 {found}, expected {shard.sha256}; {CURE}")

    def _gather(self, views: list[np.ndarray], target: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Fills target[k] with element indices[k] of the concatenated views."""
        if len(indices) and not 0 <= np.min(indices) <= np.max(indices) < self.count:
            raise IndexError(f"{self.folder}: indices must be in 0..{self.count - 1}")
        shards = np.searchsorted(self._ends, indices, side="right")
        for shard in np.unique(shards):
            here = np.flatnonzero(shards == shard)
            target[here] = views[shard][indices[here] - (self._ends[shard] - len(views[shard]))]
        return target


@lru_cache(maxsize=2)
def order(count: int, seed: int, epoch: int) -> np.ndarray:
    """The order of an epoch: a permutation of 0..count-1 (int64, read-only), a pure function of its arguments."""
    permutation = generator(seed, "order", epoch).permutation(count)
    permutation.setflags(write=False)
    return permutation


def batch_indices(count: int, seed: int, position: int, size: int) -> np.ndarray:
    """The indices (int64) at [position, position + size) of the endless stream order(0), order(1), ..."""
    if count < 1 or position < 0 or size < 0:
        raise ValueError(f"count = {count}, position = {position}, size = {size}: negative, or no sample")
    parts = [np.empty(0, np.int64)]
    while size:
        epoch, offset = divmod(position, count)
        part = order(count, seed, epoch)[offset : offset + size]
        parts.append(part)
        position, size = position + len(part), size - len(part)
    return np.concatenate(parts)


def _read_index(path: Path) -> Index:
    index = checked(Index, artifacts.read_json(path), file=str(path))
    if not (len(index.shape) == 3 and index.shape[2] == 3 if index.dtype == "uint8" else len(index.shape) == 1):
        raise UserError(f"{path}: dtype = {index.dtype!r} with the shape {index.shape}; {CURE}")
    layout = Layout(index.shape, index.dtype, index.labelled)
    if index.labelled != bool(index.classes):
        raise UserError(f"{path}: labelled = {index.labelled} with {len(index.classes)} classes; {CURE}")
    for number, shard in enumerate(index.shards):
        expected = {
            "name": shard_name(index.dataset, index.split, number),
            "stride": layout.stride,
            "bytes": layout.shard_bytes(shard.count),
        }
        for key, value in expected.items():
            if (found := getattr(shard, key)) != value:
                raise UserError(f"{path}: shards.{number}.{key} = {found!r}, expected {value!r}; {CURE}")
    if (found := sum(shard.count for shard in index.shards)) != index.count:
        raise UserError(f"{path}: count = {index.count}, but its shards hold {found} samples; {CURE}")
    return index


def _map(path: Path, size: int) -> mmap.mmap:
    """A file of exactly `size` bytes, mapped for reading."""
    try:
        if (found := path.stat().st_size) != size:
            raise UserError(f"{path}: has {found} bytes, expected {size}; {CURE}")
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise UserError(f"{path}: not there, but index.json names it; {CURE}") from None
    except OSError as error:
        raise UserError(
            f"{path}: can't be opened ({error.strerror}); raise `ulimit -n` or the dataset's shard_size"
        ) from None


def _check_first(path: Path, mapped: mmap.mmap, layout: Layout) -> None:
    """Raises UserError unless the first sample's headers are those that the index promises."""
    header = layout.values - NPY_HEADER - BLOCK
    found = mapped[header : layout.values]
    name = found[:100].rstrip(b"\0").decode("ascii", "replace").encode("ascii", "replace").decode()
    expected = tar_header(name, layout.npy_bytes) + layout.npy_header
    if found != expected or not name.endswith(".npy"):
        raise UserError(
            f"{path}: does not begin with {layout.dtype} {layout.shape} as .npy, as index.json says; {CURE}"
        )


def _allow_open_files(count: int) -> None:
    """Raises this process's limit of open files, as far as it may: a mapped shard keeps its file open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 256
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
