"""What a format and a source are: a format knows and reads the official archives, a source puts them into a folder.

A distribution is what points are drawn from.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from PIL import Image

from ganflow.components import Component

SPLITS = ("train", "validation")


class Archive(NamedTuple):
    """An official archive: its name in data/raw, where it is served (mirrors in order), its size and its digest."""

    name: str
    urls: tuple[str, ...]
    bytes: int
    sha256: str


class CorruptImage(Exception):
    """An image that can't be used: its key in the archive, and why in a phrase. It is left out, counted and listed."""

    def __init__(self, key: str, reason: str):
        super().__init__(key, reason)  # both, so that it can be pickled
        self.key, self.reason = key, reason


class Sample(NamedTuple):
    """One sample of a split: a key that is unique in it, what makes its picture or point, and its class or None.

    `content` gives a picture in RGB, as Pillow's or as uint8 (height, width, 3), or a point as float32 (d,). It can be
    pickled: what is costly to decode is decoded by whichever process calls it; it raises CorruptImage for an image that
    can't be used.
    """

    key: str
    content: Callable[[], Image.Image | np.ndarray]
    label: int | None

    @property
    def image(self) -> Image.Image:
        """The picture in RGB, made anew."""
        made = self.content()
        return made if isinstance(made, Image.Image) else Image.fromarray(np.ascontiguousarray(made))


class Format(Component):
    """The layout of a dataset's official archives."""

    folder: ClassVar = "data.formats"
    archives: ClassVar[tuple[Archive, ...]]
    images: ClassVar[dict[str, int]]  # of each split in the official archives
    labelled: ClassVar[bool] = False  # whether the images have classes
    points: ClassVar[bool] = False  # whether the samples are points, and not images
    scene: ClassVar[str]  # the module of data/scenes whose drawings stand in for the photographs

    @abstractmethod
    def classes(self, folder: Path) -> tuple[str, ...]:
        """The names of the classes; empty when the images have no labels."""

    @abstractmethod
    def samples(self, folder: Path, split: str) -> Iterator[Sample]:
        """The images of "train" or "validation" in the archives' order; raises UserError for a damaged archive.

        Their pictures can be asked for until `discard`.
        """

    def discard(self, folder: Path) -> None:
        """Deletes what `samples` keeps in the scratch folder; for when the images have all been used."""
        return

    @abstractmethod
    def write(self, folder: Path, draw: Callable[[str], Iterable[Sample]], classes: tuple[str, ...]) -> None:
        """Writes genuine archives from `draw(split)`, byte-identical for equal images."""


class Distribution(Component):
    """A distribution of points, most often a mixture of equal components: its modes."""

    folder: ClassVar = "data.distributions"

    @property
    def dimension(self) -> int:
        """The coordinates of a point."""
        return 2

    @property
    def modes(self) -> int:
        """How many modes there are that can be told apart."""
        return 1

    @abstractmethod
    def draw(self, count: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """`count` independent points, (n, dimension) float64, and their modes, (n,) int64 in 0..modes-1."""


class Source(Component):
    """Where the archives of a dataset come from."""

    folder: ClassVar = "data.sources"

    @abstractmethod
    def provide(self, form: Format, folder: Path) -> dict[str, str]:
        """Puts every archive of the format into `folder`, verified; raises UserError if one can't be had.

        Returns {name: sha256} of those whose digest was taken on the way.
        """

    def named(self, form: Format) -> dict[str, Any] | None:
        """{archive: addresses and digest}, which name every byte that it delivers; None if its code makes them."""
        return None

    def counts(self, form: Format) -> dict[str, int] | None:
        """Samples of each split that it delivers; None where only the archives can tell."""
        return None

    def refusal(self, form: Format, shape: tuple[int, ...]) -> str | None:
        """Why this source can't deliver a format's samples of a shape, or None."""
        return None

    def modules(self, form: Format) -> tuple[str, ...]:
        """Modules that this source runs for a format beyond those it imports, named so that a change of one is seen."""
        return ()
