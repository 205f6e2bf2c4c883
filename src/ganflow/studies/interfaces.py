"""Interface of studies: a computation with a caption, panels of lines, and numbers that tests check."""

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from ganflow.components import Component, components_of
from ganflow.config import Choice


@dataclass(frozen=True)
class Line:
    """A curve through points, or the points themselves; y is None where the value is infinite or the curve is broken.

    A line without a label is not in the legend: one more curve of the kind of another.
    """

    label: str
    x: list[float]
    y: list[float | None]
    colour: int
    style: str = "line"  # or "dotted", "marks", "filled" (marks), "area"


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    title: str
    x: str
    y: str
    lines: tuple[Line, ...]
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True)
class Findings:
    """The result of a study."""

    caption: str
    panels: tuple[Panel, ...]
    numbers: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        return asdict(self)


class Study(Component):
    """A numerical study of the theory; needs no dataset and runs for seconds."""

    folder: ClassVar = "studies.cases"
    seed: int = Field(0, ge=0, lt=2**31, description="of all random numbers")

    @abstractmethod
    def run(self) -> Findings:
        """Runs the study; deterministic."""


def studies_of(choices: Iterable[Choice]) -> dict[str, Study]:
    """{name: study} of params.yaml; raises UserError for an unknown or repeated one."""
    return components_of(Study, choices, "studies")


def line(label: str, x: ArrayLike, y: ArrayLike, colour: int, style: str = "line") -> Line:
    """A line of rounded numbers; non-finite ones become None."""
    places, values = (np.asarray(column, np.float64).tolist() for column in (x, y))
    heights = [float(f"{value:.6g}") if np.isfinite(value) else None for value in values]
    return Line(label, [float(f"{place:.6g}") for place in places], heights, colour, style)
