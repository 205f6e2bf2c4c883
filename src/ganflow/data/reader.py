"""Random access to the samples of a split by index, from memory-mapped shards.

The order of batches is a pure function of (seed, position), independent of workers, ranks and state. An invalid index
or shard raises UserError when it is opened, by its headers and labels; `verify` reads every byte.
"""

import io
import json
import mmap
import resource
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np

from ganflow import artifacts
from ganflow.artifacts import cure
from ganflow.data.image_codec import decode_webp
from ganflow.data.shard_members import SIZE, check_members
from ganflow.data.shards import BLOCK, INDEX, OFFSETS, Index, Layout, Member, shard_bytes, shard_name
from ganflow.data.stored_png import pixels_at
from ganflow.errors import UserError
from ganflow.params_file import checked
from ganflow.randomness import generator

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
        self._places: list[tuple[Path, memoryview, np.ndarray]] = [
            (path, memoryview(content), here) for path, content, here in zip(paths, mapped, starts, strict=True)
        ]
        for path, content, here in self._places:
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
        member, header = self._condition(condition, "image")
        shape = member.shape
        assert shape is not None, "an image has one"
        found = np.empty((len(indices), *shape), np.uint8)
        for shard, places, local in self._split(indices):
            _, content, starts = self._places[shard]
            for place, start in zip(places.tolist(), starts[local].tolist(), strict=True):
                found[place] = pixels_at(content, start + header + BLOCK, shape)
        return found

    def texts(self, condition: str, indices: np.ndarray) -> list[str]:
        """A condition that is a text, at `indices`."""
        return self._texts(condition, "text", indices)

    def attributes(self, indices: np.ndarray) -> np.ndarray:
        """The number of each attribute's value in `index.attributes`, int64 (n, attributes); raises UserError if the
        images have none, or if one is not as the index says."""
        member = next((member for member in self.index.conditions if member.kind == "attributes"), None)
        if member is None:
            raise UserError(
                f"{self.folder}: the samples have no attributes; choose a dataset with the condition `attributes`"
            )
        known = self.index.attributes
        numbers = [{value: number for number, value in enumerate(values)} for values in known.values()]
        found = np.empty((len(indices), len(known)), np.int64)
        for row, text in enumerate(self._texts(member.name, "attributes", indices)):
            try:
                values = json.loads(text)
                found[row] = [number[values[name]] for name, number in zip(known, numbers, strict=True)]
            except (ValueError, KeyError, TypeError, RecursionError):
                raise UserError(
                    f"{self.folder}: sample {indices[row]}: its attributes are not those of index.json; "
                    f"{cure(self.folder)}"
                ) from None
        return found

    def selected(self, where: Mapping[str, str]) -> np.ndarray:
        """The indices of the samples with these values of attributes, or of `class`; raises UserError for one that none
        has."""
        chosen = np.ones(self.count, bool)
        every = np.arange(self.count)
        for name, value in where.items():
            values = self.classes if name == "class" else self.index.attributes.get(name, ())
            if not values:
                raise UserError(f"{self.folder}: nothing is known of the {name} of its samples; choose another domain")
            if value not in values:
                raise UserError(f"{self.folder}: no sample has the {name} {value!r}; choose of: {', '.join(values)}")
            if name == "class":
                numbers = self.labels(every)
            else:
                numbers = self.attributes(every)[:, list(self.index.attributes).index(name)]
            chosen &= numbers == values.index(value)
        if not chosen.any():
            wanted = ", ".join(f"{name}: {value}" for name, value in where.items())
            raise UserError(f"{self.folder}: no sample has {{{wanted}}}; choose other values")
        return chosen.nonzero()[0]

    def part(self, where: Mapping[str, str]) -> Part:
        """The samples with these values of attributes, or of `class`."""
        return Part(self, self.selected(where))

    def verify(self) -> None:
        """Reads every shard; raises UserError for the first whose sha256 differs from the index."""
        for shard in self.index.shards:
            path = self.folder / shard.name
            if (found := artifacts.digest_file(path)) != shard.sha256:
                raise UserError(f"{path}: altered: has the sha256 {found}, expected {shard.sha256}; {cure(path)}")

    def _condition(self, name: str, kind: str) -> tuple[Member, int]:
        """A condition and the offset of its tar header in a sample."""
        for member, header in zip(self.index.conditions, self.index.layout.condition_headers, strict=True):
            if (member.name, member.kind) == (name, kind):
                return member, header
        raise UserError(
            f"{self.folder}: the samples are not accompanied by the {kind} {name!r}; name it in the dataset's "
            "`conditions` in params.yaml"
        )

    def _texts(self, condition: str, kind: str, indices: np.ndarray) -> list[str]:
        _, header = self._condition(condition, kind)
        found = [""] * len(indices)
        for shard, places, local in self._split(indices):
            path, content, starts = self._places[shard]
            for place, start in zip(places.tolist(), starts[local].tolist(), strict=True):
                first = start + header + BLOCK
                size = int(bytes(content[first - BLOCK : first][SIZE]), 8)
                try:
                    found[place] = bytes(content[first : first + size]).decode()
                except UnicodeDecodeError:
                    raise UserError(
                        f"{path}: sample {indices[place]}: its {condition} is no UTF-8; {cure(path)}"
                    ) from None
        return found

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


@lru_cache(maxsize=4)
def order(count: int, seed: int, epoch: int, purpose: str = "order") -> np.ndarray:
    """The permutation of 0..count-1 (int64, read-only) of an epoch, a pure function of the arguments."""
    permutation = generator(seed, purpose, epoch).permutation(count)
    permutation.setflags(write=False)
    return permutation


def batch_indices(count: int, seed: int, position: int, size: int, purpose: str = "order") -> np.ndarray:
    """Indices (int64) at [position, position + size) of the infinite sequence order(0), order(1), ... of a purpose."""
    if count < 1 or position < 0 or size < 0:
        raise ValueError(f"count = {count}, position = {position}, size = {size}: negative, or no sample")
    parts = [np.empty(0, np.int64)]
    while size:
        epoch, offset = divmod(position, count)
        part = order(count, seed, epoch, purpose)[offset : offset + size]
        parts.append(part)
        position, size = position + len(part), size - len(part)
    return np.concatenate(parts)


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
    offsets = np.load(io.BytesIO(content), allow_pickle=False)
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
