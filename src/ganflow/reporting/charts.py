"""The charts of the report: lines and bands over seeds, with titles and labels that state sign and formula.

Methods declare their charts in the manifests of their runs; columns share a plot only if their values are comparable.
The PNG figures and the interactive charts show the same plots.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganflow.reporting.runs import RunRecord
from ganflow.reporting.scores import score_named

TITLES = {
    "scores": "Scores over training",
    "estimates": "Estimates of the critics",
    "gradients": "Slope and direction of the critics",
    "losses": "Losses",
}


@dataclass(frozen=True)
class Series:
    """A column of journals or curves over training: the mean over seeds, with one sample deviation if several."""

    label: str
    colour: int  # the variant's index in params.yaml
    dotted: bool
    iterations: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray | None


@dataclass(frozen=True)
class Plot:
    """One pair of axes; `level` is a reference value, shown as a thin line."""

    title: str
    label: str
    level: float | None
    series: list[Series]


def charts(runs: list[RunRecord]) -> dict[str, list[Plot]]:
    """{figure: plots} of one dataset, without empty ones: scores over training, and the methods' charts."""
    figures = {figure: _plots(runs, figure) if figure != "scores" else _score_plots(runs) for figure in TITLES}
    return {figure: plots for figure, plots in figures.items() if plots}


def _score_plots(runs: list[RunRecord]) -> list[Plot]:
    """One plot for each score that is in the curves of all runs."""
    curves = [run.curve or {} for run in runs]
    plots: list[Plot] = []
    for name in [name for name in curves[0] if name != "iteration" and all(name in curve for curve in curves)]:
        score, label = score_named(name, runs[0]), []
        if score.by:
            label.append(score.by)
        if not plots:
            label.append("best: " + runs[0].score["protocol"]["best"].replace(f" {name}", ""))
        series = [
            _series([run.curve for run in seeds if run.curve], name, variant, colour)
            for colour, (variant, seeds) in enumerate(by_variant(runs).items())
        ]
        plots.append(Plot(score.title, "\n".join(label), None, series))
    return plots


def _plots(runs: list[RunRecord], figure: str) -> list[Plot]:
    """The charts of a figure that the runs' methods declare, one plot per axis."""
    axes: dict[str, list[tuple[dict[str, Any], str, int, list[RunRecord]]]] = {}
    for colour, (variant, seeds) in enumerate(by_variant(runs).items()):
        for chart in seeds[0].manifest["charts"]:
            if chart["figure"] == figure:
                axes.setdefault(chart["axis"], []).append((chart, variant, colour, seeds))
    plots = []
    for members in axes.values():
        first = members[0][0]
        series = [
            _series(
                [run.journal for run in seeds], chart["column"], chart["series"] or variant, colour, chart["dotted"]
            )
            for chart, variant, colour, seeds in members
        ]
        plots.append(Plot(first["title"], first["label"], first["level"], series))
    return plots


def by_variant(runs: Iterable[RunRecord]) -> dict[str, list[RunRecord]]:
    """{variant: its runs, one a seed}, in the order of params.yaml."""
    variants: dict[str, list[RunRecord]] = {}
    for run in runs:
        variants.setdefault(run.variant, []).append(run)
    return variants


def _series(seeds: list[dict[str, np.ndarray]], column: str, label: str, colour: int, dotted: bool = False) -> Series:
    """Mean and deviation of a column over seeds with equal iterations."""
    values = np.stack([table[column] for table in seeds])
    deviation = values.std(axis=0, ddof=1) if len(seeds) > 1 else None
    return Series(label, colour, dotted, seeds[0]["iteration"], values.mean(axis=0), deviation)
