"""The charts of the report: lines and bands over seeds, with titles and labels that state sign and formula.

Methods declare their charts in the manifests of their runs; columns share a plot only if their values are comparable.
The PNG figures and the interactive charts show the same plots.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from ganflow.reporting.runs import DivergedRun, RunRecord, TrainingRecord, parted
from ganflow.reporting.scores import score_named

TITLES = {
    "scores": "Scores over training",
    "estimates": "Estimates of the critics",
    "gradients": "Slope and direction of the critics",
    "codes": "What samples tell of their codes",
    "losses": "Losses",
}

R = TypeVar("R", bound=TrainingRecord)


@dataclass(frozen=True)
class Series:
    """A column of journals or curves over training: the mean over seeds, with one sample deviation if several; or that
    of one training until it diverged, which does not decide the range of an axis that it shares with others."""

    label: str
    colour: int  # the variant's index in params.yaml
    dotted: bool
    iterations: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray | None
    diverged: bool = False


@dataclass(frozen=True)
class Plot:
    """One pair of axes; `level` is a reference value, shown as a thin line."""

    title: str
    label: str
    level: float | None
    series: list[Series]


def charts(runs: Sequence[RunRecord | DivergedRun]) -> dict[str, list[Plot]]:
    """{figure: plots} of one dataset, without empty ones: scores over training, and the methods' charts."""
    figures = {figure: _plots(runs, figure) if figure != "scores" else _score_plots(runs) for figure in TITLES}
    return {figure: plots for figure, plots in figures.items() if plots}


def _score_plots(shown: Sequence[RunRecord | DivergedRun]) -> list[Plot]:
    """One plot for each score that is in all curves of runs that did not diverge; translations may have none."""
    (finished, _), places = parted(shown), list(by_variant(shown))
    runs = [run for run in finished if run.curve]
    curves = [run.curve or {} for run in runs]
    plots: list[Plot] = []
    if not runs:
        return plots
    for name in [name for name in curves[0] if name != "iteration" and all(name in curve for curve in curves)]:
        score, label = score_named(name, runs[0]), []
        if score.by:
            label.append(score.by)
        if not plots:
            label.append("best: " + runs[0].score["protocol"]["best"].replace(f" {name}", ""))
        series = [
            _series([run.curve for run in seeds if run.curve], name, variant, places.index(variant))
            for variant, seeds in by_variant(runs).items()
        ]
        plots.append(Plot(score.title, "\n".join(label), None, series))
    return plots


def _plots(runs: Sequence[RunRecord | DivergedRun], figure: str) -> list[Plot]:
    """The charts of a figure that the runs' methods declare, one plot per axis."""
    axes: dict[str, list[tuple[dict[str, Any], str, int, list[RunRecord | DivergedRun]]]] = {}
    for colour, (variant, seeds) in enumerate(by_variant(runs).items()):
        for chart in seeds[0].manifest["charts"]:
            if chart["figure"] == figure:
                axes.setdefault(chart["axis"], []).append((chart, variant, colour, seeds))
    plots = []
    for members in axes.values():
        first = members[0][0]
        series = [line for member in members for line in _lines(*member)]
        if series:
            plots.append(Plot(first["title"], first["label"], first["level"], series))
    return plots


def _lines(chart: dict[str, Any], variant: str, colour: int, seeds: list[RunRecord | DivergedRun]) -> Iterator[Series]:
    """A variant's line over the seeds that did not diverge, and one for each seed that did, if it has a journal."""
    column, label, dotted = chart["column"], chart["series"] or variant, chart["dotted"]
    scored, diverged = parted(seeds)
    if scored:
        yield _series([run.journal for run in scored], column, label, colour, dotted)
    for run in diverged:
        if run.journal:
            said = f"{label}, seed {run.seed}: diverged at {run.divergence.iteration:,}"
            yield replace(_series([run.journal], column, said, colour, dotted), diverged=True)


def by_variant(runs: Iterable[R]) -> dict[str, list[R]]:
    """{variant: its runs, one a seed}, in the order of params.yaml."""
    variants: dict[str, list[R]] = {}
    for run in runs:
        variants.setdefault(run.variant, []).append(run)
    return variants


def _series(seeds: list[dict[str, np.ndarray]], column: str, label: str, colour: int, dotted: bool = False) -> Series:
    """Mean and deviation of a column over seeds with equal iterations."""
    values = np.stack([table[column] for table in seeds])
    deviation = values.std(axis=0, ddof=1) if len(seeds) > 1 else None
    return Series(label, colour, dotted, seeds[0]["iteration"], values.mean(axis=0), deviation)
