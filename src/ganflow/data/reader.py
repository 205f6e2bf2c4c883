"""Random access to the samples of a split by index, from memory-mapped shards.

An invalid index or shard raises UserError when it is opened, by its headers and labels; `verify` reads every byte.
"""

import io
import mmap
import resource
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ganflow import artifacts
from ganflow.artifacts import cure
from ganflow.data.condition_reader import ConditionReader
from ganflow.data.image_codec import decode_webp
from ganflow.data.shard_members import check_members
from ganflow.data.shards import INDEX, OFFSETS, Index, Layout, shard_bytes, shard_name
from ganflow.errors import UserError
from ganflow.params_file import checked

MAX_DIGITS = 8  # of a label


class RawShard:
    """A shard of raw samples: NumPy views of the mapped bytes, without a Python loop over samples."""

    def __init__(self, mapped: mmap.mmap, layout: Layout, stride: int, count: int):
        strides = (stride, *np.empty(layout.shape, layout.dtype).strides)
        first = layout.content + len(layout.npy_header)
        self._samples = np.ndarray((count, *layout.shape), layout.dtype, mapped, first, strides)
        self._digits = np.ndarray((count,), f"S{MAX_DIGITS}", mapped, layout.label, (stride,))

    def samples(self, indices: np.ndarray) -> np.ndarray:
        """(n, *shape)"""
        return self._samples[indices]

    def digits(self, indices: np.ndarray) -> np.ndarray:
        """Labels as bytes of digits, (n,)."""
        return self._digits[indices]


class WebpShard:
    """A shard of WebP images, decoded on each access by `parallel_map`, a map over one or several threads."""

    def __init__(
        self,
        path: Path,
        mapped: mmap.mmap,
        layout: Layout,
        starts: np.ndarray,
        parallel_map: Callable[..., Iterator[np.ndarray]],
    ):
        self.path, self.mapped, self.layout, self.parallel_map = path, mapped, layout, parallel_map
        self.starts, self.ends = starts, np.append(starts[1:], len(mapped))
        self.samples(np.zeros(1, np.int64))  # fails early if the shard does not match index.json

    def samples(self, indices: np.ndarray) -> np.ndarray:
        """uint8 (n, height, width, 3)"""
        return np.stack(list(self.parallel_map(self._image, indices)))

    def digits(self, indices: np.ndarray) -> np.ndarray:
        """Labels as bytes of digits, (n,)."""
        places = self.starts[indices] + self.layout.label
        return np.array([self.mapped[place : place + MAX_DIGITS] for place in places], f"S{MAX_DIGITS}")

    def _image(self, index: int) -> np.ndarray:
        start, end = self.starts[index] + self.layout.content, self.ends[index]
        try:
            return decode_webp(self.mapped[start:end], self.layout.shape)  # trailing zeros are ignored
        except ValueError as error:
            raise UserError(
                f"{self.path}: sample {index}: not a WebP of its shape ({error}); {cure(self.path)}"
            ) from None


class Part:
    """Some samples of a split."""

    def __init__(self, shards: "Shards", chosen: np.ndarray):
        """`chosen`: their indices in the split."""
        self.shards, self.chosen, self.count = shards, chosen, len(chosen)
        self.shape, self.dtype, self.index = shards.shape, shards.dtype, shards.index

    def samples(self, indices: np.ndarray) -> np.ndarray:
        """The samples at `indices` of the part: (n, *shape)."""
        return self.shards.samples(self.chosen[indices])

    def labels(self, indices: np.ndarray) -> np.ndarray:
        """Their labels, int64 (n,); raises UserError if the images have none."""
        return self.shards.labels(self.chosen[indices])

    def images(self, condition: str, indices: np.ndarray) -> np.ndarray:
        """A condition that is an image, uint8 (n, height, width, channels)."""
        return self.shards.images(condition, self.chosen[indices])


class Shards:
    """The samples of one split: `count` arrays of `shape` and `dtype`; `classes` is empty without labels.

    Images are uint8 (height, width, 3), points float32 (d,).
    """

    def __init__(self, folder: Path, threads: int = 1):
        """Opens the split in `folder`; WebP is decoded by `threads`. Raises UserError for an invalid file."""
        self.folder = folder
        self.index = _read_index(folder / INDEX)
        self.count, self.shape, self.dtype = self.index.count, self.index.shape, np.dtype(self.index.dtype)
        self.labelled, self.classes = self.index.labelled, self.index.classes
        layout = self.index.layout
        counts = [shard.count for shard in self.index.shards]
        self._ends = np.cumsum(counts)
        _allow_open_files(len(counts))
        mapped = [_map(folder / shard.name, shard.bytes) for shard in self.index.shards]
        paths = [folder / shard.name for shard in self.index.shards]
        self._shards: list[RawShard] | list[WebpShard]
        stride, last = layout.stride, -1
        starts = (
            [np.arange(count) * stride for count in counts]
            if stride
            else np.split(_read_offsets(folder / OFFSETS, self.index), self._ends[:-1])
        )
        places = [(path, memoryview(content), here) for path, content, here in zip(paths, mapped, starts, strict=True)]
        self._conditions = ConditionReader(folder, self.index, places, self._split)
        for path, content, here in places:
            last = check_members(path, content, layout, here, len(self.classes), last)
        if stride:
            self._shards = [
                RawShard(content, layout, stride, count) for content, count in zip(mapped, counts, strict=True)
            ]
        else:
            parallel_map = map if threads == 1 else ThreadPoolExecutor(threads).map
            self._shards = [
                WebpShard(path, content, layout, here, parallel_map)
                for path, content, here in zip(paths, mapped, starts, strict=True)
            ]

    def samples(self, indices: np.ndarray) -> np.ndarray:
        """The samples at `indices` (n integers in 0..count-1): (n, *shape) of `dtype`."""
        target = np.empty((len(indices), *self.shape), self.dtype)
        for shard, places, local in self._split(indices):
            target[places] = self._shards[shard].samples(local)
        return target

    def first(self, count: int) -> np.ndarray:
        """The first `count` samples, as stored, repeated if there are fewer."""
        return self.samples(np.arange(count) % self.count)

    def labels(self, indices: np.ndarray) -> np.ndarray:
        """The labels at `indices`, as int64 (n,) in 0..len(classes)-1; raises UserError if the images have none."""
        if not self.labelled:
            raise UserError(
                f"{self.folder}: the samples have no labels, but labels are needed; choose a dataset with classes"
            )
        digits = np.empty(len(indices), f"S{MAX_DIGITS}")
        for shard, places, local in self._split(indices):
            digits[places] = self._shards[shard].digits(local)
        try:
            labels = digits.astype(np.int64)
        except ValueError:
            labels = np.full(1, -1)
        if labels.size and not 0 <= labels.min() <= labels.max() < len(self.classes):
            raise UserError(
                f"{self.folder}: holds a label that is not in 0..{len(self.classes) - 1}; {cure(self.folder)}"
            )
        return labels

    def images(self, condition: str, indices: np.ndarray) -> np.ndarray:
        """A condition that is an image, at `indices`: uint8 (n, height, width, channels)."""
        return self._conditions.images(condition, indices)

    def texts(self, condition: str, indices: np.ndarray) -> list[str]:
        """A condition that is a text, at `indices`."""
        return self._conditions.texts(condition, indices)

    def attributes(self, indices: np.ndarray) -> np.ndarray:
        """The number of each attribute's value in `index.attributes`, int64 (n, attributes); raises UserError if the
        images have none, or if one is not as the index says."""
        return self._conditions.attributes(indices)

    def selected(self, where: Mapping[str, str]) -> np.ndarray:
        """The indices of the samples with these values of attributes, or of `class`; raises UserError for one that none
        has."""
        return self._conditions.selected(where, self.labels)

    def part(self, where: Mapping[str, str]) -> Part:
        """The samples with these values of attributes, or of `class`."""
        return Part(self, self.selected(where))

    def verify(self) -> None:
        """Reads every shard; raises UserError for the first whose sha256 differs from the index."""
        for shard in self.index.shards:
            path = self.folder / shard.name
            if (found := artifacts.digest_file(path)) != shard.sha256:
                raise UserError(f"{path}: altered: has the sha256 {found}, expected {shard.sha256}; {cure(path)}")

    def _split(self, indices: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Yields (shard number, positions in `indices`, indices within the shard) for each shard involved."""
        if not len(indices):
            return
        shards = self._ends.searchsorted(indices, side="right")
        if indices.min() < 0 or shards.max() == len(self._shards):
            raise IndexError(f"{self.folder}: indices must be in 0..{self.count - 1}")
        places, counts = shards.argsort(kind="stable"), np.bincount(shards)
        stop = 0
        for shard in counts.nonzero()[0].tolist():
            start, stop = stop, stop + counts[shard]
            here = places[start:stop]
            yield shard, here, indices[here] - (self._ends[shard] - self.index.shards[shard].count)


def _read_index(path: Path) -> Index:
    index = checked(Index, artifacts.read_json(path), file=str(path), remedy=cure(path))
    if not (len(index.shape) == 3 and index.shape[2] == 3 if index.dtype == "uint8" else len(index.shape) == 1):
        raise UserError(f"{path}: dtype = {index.dtype!r} with the shape {index.shape}; {cure(path)}")
    compressed = index.encoding != "raw"
    if compressed and index.dtype != "uint8" or compressed != (index.offsets is not None):
        raise UserError(
            f"{path}: encoding = {index.encoding!r} of {index.dtype}, offsets {index.offsets}; {cure(path)}"
        )
    layout = index.layout
    if index.conditions and (
        index.dtype != "uint8" or len({member.name for member in index.conditions}) < len(index.conditions)
    ):
        raise UserError(f"{path}: its conditions are not different ones of images; {cure(path)}")
    if any((member.shape is None) == (member.kind == "image") for member in index.conditions):
        raise UserError(f"{path}: a condition has a shape, and is no image, or the other way round; {cure(path)}")
    if index.labelled != bool(index.classes):
        raise UserError(f"{path}: labelled = {index.labelled} with {len(index.classes)} classes; {cure(path)}")
    for number, shard in enumerate(index.shards):
        expected = {"name": shard_name(index.dataset, index.split, number), "stride": layout.stride}
        if layout.stride:
            expected["bytes"] = shard_bytes(shard.count * layout.stride)
        for key, value in expected.items():
            if (found := getattr(shard, key)) != value:
                raise UserError(f"{path}: shards.{number}.{key} = {found!r}, expected {value!r}; {cure(path)}")
    if (found := sum(shard.count for shard in index.shards)) != index.count:
        raise UserError(f"{path}: count = {index.count}, but its shards hold {found} samples; {cure(path)}")
    return index


def _read_offsets(path: Path, index: Index) -> np.ndarray:
    """Offset of each sample in its shard, int64 (count,)."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: missing, but listed in index.json; {cure(path)}") from None
    if (found := artifacts.digest_bytes(content)) != index.offsets:
        raise UserError(f"{path}: altered: has the sha256 {found}, expected {index.offsets}; {cure(path)}")
    try:
        offsets = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError):
        raise UserError(f"{path}: holds no array of numbers; {cure(path)}") from None
    if offsets.shape != (index.count,) or offsets.dtype != np.int64 or offsets.min() < 0:
        raise UserError(f"{path}: holds {offsets.dtype} {offsets.shape}, expected int64 ({index.count},); {cure(path)}")
    return offsets


def _map(path: Path, size: int) -> mmap.mmap:
    """Maps a file of exactly `size` bytes for reading."""
    try:
        if (found := path.stat().st_size) != size:
            raise UserError(f"{path}: has {found} bytes, expected {size}; {cure(path)}")
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise UserError(f"{path}: missing, but listed in index.json; {cure(path)}") from None
    except OSError as error:
        raise UserError(
            f"{path}: can't be opened ({error.strerror}); raise `ulimit -n` or the dataset's shard_size"
        ) from None


def _allow_open_files(count: int) -> None:
    """Raises the limit of open files as far as allowed: a mapped shard keeps its file open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 256
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
