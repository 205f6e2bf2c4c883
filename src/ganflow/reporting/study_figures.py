"""Figures of studies, from the JSON of the studies stage, in the report's style."""

from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from ganflow.artifacts import read_json
from ganflow.config import Experiment
from ganflow.reporting.figures import COLOURS, STYLE, WIDTH, as_png

Findings = dict[str, Any]  # studies.interfaces.Findings as JSON


def load_findings(experiment: Experiment, results: Path) -> dict[str, Findings]:
    """{study: findings} of the studies of params.yaml; raises UserError for a missing one."""
    folder = results / experiment.experiment / "studies"
    return {study.name: read_json(folder / f"{study.name}.json") for study in experiment.studies}


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
