"""What every chart of the report shows: titles, labels that state sign and formula, lines and bands over seeds.

Pictures and interactive charts are drawn from the same panels. Estimates share a panel only where their heights can be
compared: a critic with a gradient penalty has a Lipschitz constant near 1, any other Wasserstein critic an unknown one,
K.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ganflow.reporting.runs import RunRecord
from ganflow.reporting.scores import score_named

OVER_SLOPE = "validation_estimate_over_slope"  # the journal's column, of Wasserstein critics


@dataclass(frozen=True)
class Series:
    """A column of journals or curves over training: the mean over seeds, with one sample deviation if several."""

    label: str
    colour: int  # the variant's place in params.yaml
    held_out: bool  # drawn dotted where both kinds share a panel
    iterations: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray | None


@dataclass(frozen=True)
class Panel:
    """One pair of axes; `level` is a height with a meaning, drawn as a thin line."""

    title: str
    label: str
    level: float | None
    series: list[Series]


@dataclass(frozen=True)
class EstimateAxis:
    """One axis of estimates whose heights can be compared."""

    title: str
    label: str
    runs: list[RunRecord]


def loss_panels(runs: list[RunRecord]) -> list[Panel]:
    """One dataset's critic losses, in training and on held-out images, one panel a variant."""
    panels = []
    for place, (variant, seeds) in enumerate(by_variant(runs).items()):
        legend = seeds[0].manifest["legend"]
        label = f"critic loss (minimised)\n{legend['critic_loss']}"
        series = [
            _series([run.journal for run in seeds], "critic_loss", "training", place),
            _series([run.journal for run in seeds], "validation_critic_loss", "held out", place, held_out=True),
        ]
        panels.append(Panel(variant, label, legend["blind_loss"], series))
    return panels


def score_panels(runs: list[RunRecord]) -> list[Panel]:
    """One dataset's scores over training, one panel for each score that all runs have a curve of; none without any."""
    curves = [run.curve or {} for run in runs]
    panels = []
    for name in [name for name in curves[0] if name != "iteration" and all(name in curve for curve in curves)]:
        score, label = score_named(name, runs[0]), []
        if score.by:
            label.append(score.by)
        if not panels:
            label.append("best: " + runs[0].score["protocol"]["best"].replace(f" {name}", ""))
        series = [
            _series([run.curve for run in seeds], name, variant, place)
            for place, (variant, seeds) in enumerate(by_variant(runs).items())
        ]
        panels.append(Panel(score.title, "\n".join(label), None, series))
    return panels


def estimate_panels(runs: list[RunRecord]) -> list[Panel]:
    """One dataset's estimates on held-out images, one panel for each of `estimate_axes`."""
    places = {variant: place for place, variant in enumerate(by_variant(runs))}
    panels = []
    for axis in estimate_axes(runs):
        series = [
            _series([run.journal for run in seeds], "validation_estimate", variant, places[variant])
            for variant, seeds in by_variant(axis.runs).items()
        ]
        panels.append(Panel(axis.title, axis.label, 0.0, series))
    if measured := [run for run in runs if OVER_SLOPE in run.journal]:
        series = [
            _series([run.journal for run in seeds], OVER_SLOPE, variant, places[variant])
            for variant, seeds in by_variant(measured).items()
        ]
        label = "estimate / largest gradient norm met\n(rough: the critic's true K may be larger)"
        panels.append(Panel("Wasserstein estimates over measured slopes", label, 0.0, series))
    return panels


def estimate_axes(runs: Iterable[RunRecord]) -> list[EstimateAxis]:
    """One dataset's runs by the axis on which their estimates belong.

    Estimates of one name share an axis if they don't depend on the critic's slope, or if the slope is held near 1; a
    variant whose critic has an unknown slope has an axis of its own.
    """
    groups: dict[tuple[str, str, str, str], list[RunRecord]] = {}
    for run in runs:
        legend = run.manifest["legend"]
        alone = run.variant if legend["slope"] == "unknown" else ""
        groups.setdefault((legend["estimate"], legend["slope"], alone, legend["of"]), []).append(run)
    return [_estimate_axis(*key[:3], members) for key, members in groups.items()]


def _estimate_axis(estimate: str, slope: str, variant: str, runs: list[RunRecord]) -> EstimateAxis:
    name, legend = estimate.removesuffix(" estimate"), runs[0].manifest["legend"]
    if slope == "unknown":
        how = {"weight_clipping": "clipped critic", "none": "unconstrained critic"}
        constraint = runs[0].manifest["constraint"]
        why = how.get(constraint, constraint.replace("_", " "))
        return EstimateAxis(f"{variant}: K × {name}", f"{legend['formula']}\n= K × distance, K unknown ({why})", runs)
    if slope == "near 1":
        return EstimateAxis(
            f"{name}, slope near 1", f"{legend['formula']}\n≈ distance, Lipschitz constant near 1", runs
        )
    most = "" if legend["largest"] is None else f", at most {legend['largest']:.3g}"
    return EstimateAxis(name, f"{legend['formula']}\n(lower bound{most})", runs)


def by_variant(runs: Iterable[RunRecord]) -> dict[str, list[RunRecord]]:
    """{variant: its runs, one a seed}, in the order of params.yaml."""
    variants: dict[str, list[RunRecord]] = {}
    for run in runs:
        variants.setdefault(run.variant, []).append(run)
    return variants


def _series(seeds: list[dict[str, np.ndarray]], column: str, label: str, colour: int, held_out: bool = False) -> Series:
    """A column of journals or curves, one a seed, which have their iterations in common."""
    values = np.stack([table[column] for table in seeds])
    deviation = values.std(axis=0, ddof=1) if len(seeds) > 1 else None
    return Series(label, colour, held_out, seeds[0]["iteration"], values.mean(axis=0), deviation)
