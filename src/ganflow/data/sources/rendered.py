"""Synthetic images in archives of the official format, for use without a network.

Image i of a split is a pure function of (seed, split, i), independent of the counts; the splits are disjoint.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from ganflow.data import SPLITS
from ganflow.data.interfaces import Format, Sample, Source
from ganflow.progress import Progress

FIRST_INDEX = {"train": 0, "validation": 10**9}  # index of a split's first image


class Rendered(Source):
    """Renders the format's scene and writes the format's archives."""

    train: int = Field(ge=1, le=1_000_000, examples=[60], description="training images")
    validation: int = Field(ge=1, le=1_000_000, examples=[20], description="validation images")
    seed: int = Field(0, ge=0, lt=2**31, description="of the images")

    def counts(self, form: Format) -> dict[str, int]:
        return {split: getattr(self, split) for split in SPLITS}

    def refusal(self, form: Format, shape: tuple[int, ...]) -> str | None:
        return "renders images; points have the source `sampled`" if form.points else None

    def modules(self, form: Format) -> tuple[str, ...]:
        return (f"ganflow.data.scenes.{form.scene}",)

    def provide(self, form: Format, folder: Path) -> dict[str, str]:
        """Renders all images and writes the archives of the format."""
        [name] = self.modules(form)
        scene = importlib.import_module(name)
        classes = getattr(scene, "CLASSES", ())

        def split_samples(split: str) -> Iterator[Sample]:
            count = getattr(self, split)
            with Progress(f"render {form.scene} {split}", count, "images") as progress:
                for index in range(count):
                    rendered = scene.render(self.seed, FIRST_INDEX[split] + index)
                    label, image = rendered if classes else (None, rendered)
                    yield Sample(f"{index:08d}", image.copy, label)
                    progress.advance()

        form.write(folder, split_samples, tuple(classes))
        return {}
