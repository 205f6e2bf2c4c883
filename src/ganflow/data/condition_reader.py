"""Random access to what accompanies the samples of a split, from its mapped shards."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ganflow.artifacts import cure
from ganflow.data.shard_members import SIZE
from ganflow.data.shards import BLOCK, Index, Member
from ganflow.data.stored_png import pixels_at
from ganflow.errors import UserError

Split = Callable[[np.ndarray], Iterator[tuple[int, np.ndarray, np.ndarray]]]


class ConditionReader:
    """The conditions of the samples in a folder of shards."""

    def __init__(self, folder: Path, index: Index, places: Sequence[tuple[Path, memoryview, np.ndarray]], split: Split):
        """`places`: of each shard its path, content, and where its samples start; `split` parts indices by shard."""
        self.folder, self.index, self.places, self.split = folder, index, places, split

    def images(self, condition: str, indices: np.ndarray) -> np.ndarray:
        """A condition that is an image, at `indices`: uint8 (n, height, width, channels)."""
        member, header = self._condition(condition, "image")
        shape = member.shape
        assert shape is not None, "an image has one"
        found = np.empty((len(indices), *shape), np.uint8)
        for shard, places, local in self.split(indices):
            _, content, starts = self.places[shard]
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

    def selected(self, where: Mapping[str, str], labels: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """The indices of the samples with these values of attributes, or of `class`, which `labels` reads; raises
        UserError for one that none has."""
        every = np.arange(self.index.count)
        chosen = np.ones(len(every), bool)
        for name, value in where.items():
            values = self.index.classes if name == "class" else self.index.attributes.get(name, ())
            if not values:
                raise UserError(f"{self.folder}: nothing is known of the {name} of its samples; choose another domain")
            if value not in values:
                raise UserError(f"{self.folder}: no sample has the {name} {value!r}; choose of: {', '.join(values)}")
            if name == "class":
                numbers = labels(every)
            else:
                numbers = self.attributes(every)[:, list(self.index.attributes).index(name)]
            chosen &= numbers == values.index(value)
        if not chosen.any():
            wanted = ", ".join(f"{name}: {value}" for name, value in where.items())
            raise UserError(f"{self.folder}: no sample has {{{wanted}}}; choose other values")
        return chosen.nonzero()[0]

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
        for shard, places, local in self.split(indices):
            path, content, starts = self.places[shard]
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
