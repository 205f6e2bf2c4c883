"""Synthetic images in archives of the official format, for use without a network.

Image i of a split is a pure function of (seed, split, i), independent of the counts; the splits are disjoint.
"""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from PIL import Image
from pydantic import Field

from ganflow.data import SPLITS
from ganflow.data.interfaces import Format, Sample, Source
from ganflow.progress import Progress

FIRST_INDEX = {"train": 0, "validation": 10**9}  # index of a split's first image


@dataclass(frozen=True)
class RenderedScene:
    """The scene of an image, by the module that renders it."""

    module: str
    seed: int
    index: int

    @property
    def attributes(self) -> dict[str, str]:
        return dict(importlib.import_module(self.module).attributes(self.seed, self.index))

    @property
    def caption(self) -> str:
        return str(importlib.import_module(self.module).caption(self.seed, self.index))

    def picture(self, changed: Mapping[str, str]) -> Image.Image:
        return _labelled(importlib.import_module(self.module), self.seed, self.index, changed)[1]


class Rendered(Source):
    """Renders the format's scene and writes the format's archives."""

    train: int = Field(ge=1, le=1_000_000, examples=[60], description="training images")
    validation: int = Field(ge=1, le=1_000_000, examples=[20], description="validation images")
    seed: int = Field(0, ge=0, lt=2**31, description="of the images")

    def counts(self, form: Format) -> dict[str, int]:
        return {split: getattr(self, split) for split in SPLITS}

    def refusal(self, form: Format, shape: tuple[int, ...]) -> str | None:
        return "renders images; points have the source `sampled`" if form.points else None

    def attributes(self, form: Format) -> dict[str, tuple[str, ...]]:
        return dict(self._module(form).ATTRIBUTES)

    def scene(self, form: Format, split: str, key: str) -> RenderedScene:
        """Archives keep the order of the images that they were written from, by which samples have their keys."""
        [name] = self.modules(form)
        return RenderedScene(name, self.seed, FIRST_INDEX[split] + int(key))

    def modules(self, form: Format) -> tuple[str, ...]:
        return (f"ganflow.data.scenes.{form.scene}",)

    def provide(self, form: Format, folder: Path) -> dict[str, str]:
        """Renders all images and writes the archives of the format."""
        scene = self._module(form)
        classes = getattr(scene, "CLASSES", ())

        def split_samples(split: str) -> Iterator[Sample]:
            count = getattr(self, split)
            with Progress(f"render {form.scene} {split}", count, "images") as progress:
                for index in range(count):
                    label, image = _labelled(scene, self.seed, FIRST_INDEX[split] + index, {})
                    yield Sample(f"{index:08d}", image.copy, label)
                    progress.advance()

        form.write(folder, split_samples, tuple(classes))
        return {}

    def _module(self, form: Format) -> ModuleType:
        [name] = self.modules(form)
        return importlib.import_module(name)


def _labelled(scene: ModuleType, seed: int, index: int, changed: Mapping[str, str]) -> tuple[int | None, Image.Image]:
    """The label, if the scene has classes, and the image."""
    rendered = scene.render(seed, index, changed)
    return rendered if hasattr(scene, "CLASSES") else (None, rendered)
