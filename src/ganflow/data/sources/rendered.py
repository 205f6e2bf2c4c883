"""Drawings instead of photographs, in genuine archives of the same format: the offline miniature.

Drawing i of a split is a pure function of (seed, split, i), whatever the counts; the splits share no drawing.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from ganflow.data.interfaces import SPLITS, Format, Sample, Source
from ganflow.progress import Progress

FIRST_INDEX = {"train": 0, "validation": 10**9}  # of the scene's drawings


class Rendered(Source):
    """Draws the format's scene and writes the format's archives."""

    train: int = Field(ge=1, le=1_000_000, description="training images")
    validation: int = Field(ge=1, le=1_000_000, description="validation images")
    seed: int = Field(0, ge=0, lt=2**31, description="of the drawings")

    def counts(self, form: Format) -> dict[str, int]:
        return {split: getattr(self, split) for split in SPLITS}

    def refusal(self, form: Format, shape: tuple[int, ...]) -> str | None:
        return "draws pictures; points have the source `sampled`" if form.points else None

    def modules(self, form: Format) -> tuple[str, ...]:
        return (f"ganflow.data.scenes.{form.scene}",)

    def provide(self, form: Format, folder: Path) -> dict[str, str]:
        """Draws and writes every archive of the format."""
        [name] = self.modules(form)
        scene = importlib.import_module(name)
        classes = getattr(scene, "CLASSES", ())

        def draw(split: str) -> Iterator[Sample]:
            count = getattr(self, split)
            with Progress(f"draw {form.scene} {split}", count, "images") as progress:
                for index in range(count):
                    drawn = scene.draw(self.seed, FIRST_INDEX[split] + index)
                    label, image = drawn if classes else (None, drawn)
                    yield Sample(f"{index:08d}", image.copy, label)
                    progress.advance()

        form.write(folder, draw, tuple(classes))
        return {}
