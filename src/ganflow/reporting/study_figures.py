"""Figures of studies, from the JSON of the studies stage, in the report's style."""

from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from pydantic import Field, model_validator

from ganflow.artifacts import read_model
from ganflow.config import Experiment, Model
from ganflow.reporting.figures import COLOURS, STYLE, WIDTH, as_png

Findings = dict[str, Any]  # studies.interfaces.Findings as JSON


class Line(Model):
    """A curve, or points."""

    label: str
    x: list[float]
    y: list[float | None]
    colour: int
    style: str

    @model_validator(mode="after")
    def _is_a_curve(self) -> "Line":
        if len(self.x) != len(self.y):
            raise ValueError(f"x has {len(self.x)} numbers, and y {len(self.y)}")
        return self


class Panel(Model):
    """One pair of axes."""

    title: str
    x: str
    y: str
    lines: list[Line]
    log_x: bool
    log_y: bool


class Study(Model):
    """The file of a study."""

    caption: str
    panels: list[Panel] = Field(min_length=1)
    numbers: dict[str, float]


def load_findings(experiment: Experiment, results: Path) -> dict[str, Findings]:
    """{study: findings} of the studies of params.yaml; raises UserError for a missing one."""
    folder = results / experiment.experiment / "studies"
    return {study.name: read_model(Study, folder / f"{study.name}.json") for study in experiment.studies}


@matplotlib.style.context(["default", STYLE])
def study_figure(findings: Findings, width: float = WIDTH, height: float = 3.7) -> bytes:
    """The panels of a study side by side, `width` x `height` inches together; PNG."""
    panels = findings["panels"]
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.1))
    for index, panel in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), index + 1)
        for line in panel["lines"]:
            _draw(axes, line)
        axes.set_title(panel["title"])
        axes.set(xlabel=panel["x"], ylabel=panel["y"])
        axes.set_xscale("log" if panel["log_x"] else "linear")
        axes.set_yscale("log" if panel["log_y"] else "linear")
    return as_png(figure)


def _draw(axes: Axes, line: dict[str, Any]) -> None:
    x, y = (np.array(line[key], np.float64) for key in ("x", "y"))
    colour = COLOURS[line["colour"] % len(COLOURS)]
    match line["style"]:
        case "area":
            axes.fill_between(x, y, color=colour, alpha=0.25, linewidth=0, label=line["label"])
        case "marks":
            axes.plot(x, y, "o", ms=5, color=colour, label=line["label"], mfc="none", mew=1.4)
        case "filled":
            axes.plot(x, y, "o", ms=3, color=colour, label=line["label"])
        case style:
            linestyle = (0, (1.2, 1.2)) if style == "dotted" else "-"
            axes.plot(x, y, color=colour, label=line["label"], linestyle=linestyle)
