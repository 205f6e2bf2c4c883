"""Points sampled from a distribution, in the format `points`.

The points of a split are a pure function of (distribution, seed, split, count); the splits are independent.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from ganflow.components import component
from ganflow.config import Choice, In
from ganflow.data import SPLITS
from ganflow.data.interfaces import Distribution, Format, Sample, Source
from ganflow.randomness import generator


class Sampled(Source):
    """Samples a fixed number of points for each split."""

    distribution: Annotated[Choice, In("data.distributions")] = Field(
        examples=["eight_gaussians"], description="a file of data/distributions"
    )
    train: int = Field(50_000, ge=1, le=10_000_000, description="training points")
    validation: int = Field(10_000, ge=1, le=10_000_000, description="validation points")
    seed: int = Field(0, ge=0, lt=2**31, description="of the points")

    @property
    def sampled_from(self) -> Distribution:
        """The distribution with its settings; raises UserError for an unknown one."""
        return component(Distribution, self.distribution, "source.sampled.distribution")

    def counts(self, form: Format) -> dict[str, int]:
        return {split: getattr(self, split) for split in SPLITS}

    def refusal(self, form: Format, shape: tuple[int, ...]) -> str | None:
        if not form.points:
            return "samples points, which need the format `points`"
        dimension = self.sampled_from.dimension
        if shape != (dimension,):
            return f"samples points of dimension {dimension}; set the dataset's dimension to {dimension}"
        return None

    def modules(self, form: Format) -> tuple[str, ...]:
        return (type(self.sampled_from).__module__,)

    def provide(self, form: Format, folder: Path) -> dict[str, str]:
        """Samples both splits and writes the format's files."""
        found = self.sampled_from

        def split_samples(split: str) -> Iterator[Sample]:
            points, modes = found.sample(getattr(self, split), generator(self.seed, f"points/{split}"))
            for index, (point, mode) in enumerate(zip(points.astype(np.float32), modes.tolist(), strict=True)):
                yield Sample(f"{index:08d}", partial(np.asarray, point), mode)

        form.write(folder, split_samples, ())
        return {}
