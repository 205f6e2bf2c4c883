"""Interfaces of the data layer: formats of archives, sources that provide them, distributions of points, and conditions
that accompany images."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from PIL import Image

from ganflow.artifacts import cure
from ganflow.components import Component
from ganflow.data.faults import BadArchive
from ganflow.errors import UserError


class Archive(NamedTuple):
    """An official archive: file name in data/raw, mirrors in order of preference, size and digest."""

    name: str
    urls: tuple[str, ...]
    bytes: int
    sha256: str


class CorruptImage(Exception):
    """An image that can't be used: its key in the archive and the reason. It is skipped, counted and listed."""

    def __init__(self, key: str, reason: str):
        super().__init__(key, reason)  # both, so that it can be unpickled
        self.key, self.reason = key, reason


class Sample(NamedTuple):
    """One sample of a split: its key, which is its position in the archive in eight digits; a function that returns its
    image or point; and its class or None.

    `content` returns an RGB image, as Pillow's or as uint8 (height, width, 3), or a point, float32 (d,), and raises
    CorruptImage for an image that can't be used. It can be pickled, so that worker processes do the decoding.
    """

    key: str
    content: Callable[[], Image.Image | np.ndarray]
    label: int | None

    @property
    def image(self) -> Image.Image:
        """The RGB image, decoded on each access."""
        made = self.content()
        return made if isinstance(made, Image.Image) else Image.fromarray(np.ascontiguousarray(made))


class Scene(Protocol):
    """How an image was rendered. It can be pickled."""

    @property
    def attributes(self) -> dict[str, str]:
        """{attribute: value}"""

    @property
    def caption(self) -> str:
        """The attributes in English."""

    def picture(self, changed: Mapping[str, str]) -> Image.Image:
        """The image, RGB, with some attributes changed and all else as it was."""


class Given(NamedTuple):
    """What a condition is made from."""

    image: np.ndarray  # as in the shard, uint8 (side, side, 3)
    fitted: Callable[[Image.Image], np.ndarray]  # crops and resizes as it was for the shard
    drawn: Scene | None = None

    @property
    def scene(self) -> Scene:
        """Of a rendered image."""
        if self.drawn is None:
            raise LookupError("only rendered images have a scene; a condition that needs it says so by `needs_scene`")
        return self.drawn


class Condition(Component):
    """Something that accompanies each image in shards, for methods that are given it: an image, a text, attributes."""

    folder: ClassVar = "data.conditions"
    about: ClassVar[str]  # a phrase for the table in the docs
    kind: ClassVar[Literal["image", "text", "attributes"]] = "image"
    needs_scene: ClassVar[bool] = False  # whether only rendered images have it

    def shape(self, side: int) -> tuple[int, int, int]:
        """Of an image for images of so many pixels a side: (height, width, 1 or 3)."""
        raise TypeError(f"a condition of the kind {self.kind!r} has no shape")

    def refusal(self, attributes: dict[str, tuple[str, ...]], side: int) -> str | None:
        """Why it can't be made of images of a size, from scenes with these attributes; None if it can."""
        return None

    @abstractmethod
    def made(self, given: Given) -> np.ndarray | str | dict[str, str]:
        """The image, uint8 of `shape`; the text; or {attribute: value}."""


class Format(Component):
    """The file format of a dataset's official archives."""

    folder: ClassVar = "data.formats"
    archives: ClassVar[tuple[Archive, ...]]
    images: ClassVar[dict[str, int]]  # {split: count} in the official archives
    labelled: ClassVar[bool] = False  # whether the images have classes
    points: ClassVar[bool] = False  # whether the samples are points instead of images
    unpacked: ClassVar[str] = ""  # name of the file of an extracted archive that can be given instead of it, if any
    scene: ClassVar[str]  # module of data/scenes that renders synthetic images for this format

    @abstractmethod
    def classes(self, folder: Path) -> tuple[str, ...]:
        """The names of the classes; empty when the images have no labels."""

    @abstractmethod
    def samples(self, folder: Path, split: str) -> Iterator[Sample]:
        """The samples of a split in archive order, readable until `discard`; raises BadArchive for a damaged one."""

    def check(self, path: Path) -> str:
        """Reads of one archive what takes seconds, before anything else is done with it, and says what it holds.

        Raises BadArchive for one of which no sample could be read.
        """
        return f"{path.stat().st_size} bytes"

    def discard(self, folder: Path) -> None:
        """Deletes what `samples` keeps in the scratch folder, once all samples have been read."""
        return

    @abstractmethod
    def write(self, folder: Path, split_samples: Callable[[str], Iterable[Sample]], classes: tuple[str, ...]) -> None:
        """Writes archives in the official layout from `split_samples(split)`, byte-identical for equal samples."""


class Distribution(Component):
    """A distribution of points, usually a mixture of equally probable modes."""

    folder: ClassVar = "data.distributions"

    @property
    def dimension(self) -> int:
        """Coordinates of a point."""
        return 2

    @property
    def modes(self) -> int:
        """Number of separate modes."""
        return 1

    @abstractmethod
    def sample(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """`count` independent points, (n, dimension) float64, and their modes, (n,) int64 in 0..modes-1."""


class Source(Component):
    """Provides the archives of a dataset."""

    folder: ClassVar = "data.sources"

    @abstractmethod
    def provide(self, form: Format, folder: Path) -> dict[str, str]:
        """Puts every archive of the format into `folder`, verified; raises UserError if one is not available, and
        BadArchive for one that is, but that the format can't read.

        Returns {name: sha256} of the archives that were hashed on the way.
        """

    def told(self, bad: BadArchive) -> UserError:
        """What to tell about an archive of this source that can't be used: where it is, why, and what to do."""
        return UserError(f"{bad}; {cure(bad.path)}")

    def named(self, form: Format) -> dict[str, Any] | None:
        """{archive: addresses and digest}, if they determine every byte; None if the code generates the data."""
        return None

    def counts(self, form: Format) -> dict[str, int] | None:
        """{split: number of samples}; None if only the archives determine it."""
        return None

    def refusal(self, form: Format, shape: tuple[int, ...]) -> str | None:
        """Why this source can't provide samples of this format and shape; None if it can."""
        return None

    def attributes(self, form: Format) -> dict[str, tuple[str, ...]]:
        """{attribute: its values} of the scenes that its images show; empty if nothing is known of them."""
        return {}

    def scene(self, form: Format, split: str, key: str) -> Scene | None:
        """The scene of a sample by its key; None if nothing is known of it."""
        return None

    def modules(self, form: Format) -> tuple[str, ...]:
        """Modules that this source loads by name for a format; part of the code digest."""
        return ()
