"""What every chart of the report shows: titles, labels that state sign and formula, lines and bands over seeds.

Pictures and interactive charts are drawn from the same panels. Estimates share a panel only where their heights can be
compared: a critic with a gradient penalty has a Lipschitz constant near 1, any other Wasserstein critic an unknown one,
K.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ganflow.reporting.runs import RunRecord

WASSERSTEIN, JENSEN_SHANNON = "Wasserstein estimate", "Jensen-Shannon estimate"
LOSS_FORMULAS = {
    WASSERSTEIN: "E f(fake) − E f(real)",
    JENSEN_SHANNON: "−E log D(real) − E log(1 − D(fake))",
}
BLIND = {WASSERSTEIN: 0.0, JENSEN_SHANNON: 2 * float(np.log(2))}  # the loss of a critic that tells nothing apart
CAPTIONS = {
    "samples": "Samples from the same latent vectors, from the first iteration (left) to the last (right).",
    "losses": (
        "The critic's loss, which it minimises, without any penalty. Wasserstein: E f(fake) − E f(real). "
        "Non-saturating: −E log D(real) − E log(1 − D(fake)). Solid: mean over the updates since the row before; "
        "dotted: held-out images, networks in evaluation mode. A gap between the two is overfitting. "
        "Level line: a critic that tells nothing apart."
    ),
    "estimates": (
        "What the critics estimate on held-out images. Wasserstein: E f(real) − E f(fake). A clipped critic "
        "estimates K times the distance with K unknown, so its curve has an axis of its own and is compared with "
        "no other. "
        "Jensen-Shannon (with the half: log 2 when disjoint): log 2 − loss / 2, a lower bound."
    ),
}


@dataclass(frozen=True)
class Series:
    """A journal's column over training: the mean over seeds, and one sample deviation where there are several."""

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
        name = seeds[0].manifest["estimate_name"]
        label = f"critic loss (minimised)\n{LOSS_FORMULAS.get(name, 'without penalty')}"
        series = [
            _series(seeds, "critic_loss", "training", place),
            _series(seeds, "validation_critic_loss", "held out", place, held_out=True),
        ]
        panels.append(Panel(variant, label, BLIND.get(name), series))
    return panels


def estimate_panels(runs: list[RunRecord]) -> list[Panel]:
    """One dataset's estimates on held-out images, one panel for each of `estimate_axes`."""
    places = {variant: place for place, variant in enumerate(by_variant(runs))}
    panels = []
    for axis in estimate_axes(runs):
        series = [
            _series(seeds, "validation_estimate", variant, places[variant])
            for variant, seeds in by_variant(axis.runs).items()
        ]
        panels.append(Panel(axis.title, axis.label, 0.0, series))
    return panels


def estimate_axes(runs: Iterable[RunRecord]) -> list[EstimateAxis]:
    """One dataset's runs by the axis on which their estimates belong.

    Penalised Wasserstein critics share one axis, each other Wasserstein variant has its own (its K is its own), and any
    other estimate shares one with those of the same name.
    """
    groups: dict[tuple[str, ...], list[RunRecord]] = {}
    for run in runs:
        name, constraint = run.manifest["estimate_name"], run.manifest["constraint"]
        key = (name,)
        if name == WASSERSTEIN:
            key += (constraint,) if constraint == "gradient_penalty" else (constraint, run.variant)
        groups.setdefault(key, []).append(run)
    return [_estimate_axis(*key, runs=members) for key, members in groups.items()]


def _estimate_axis(name: str, constraint: str = "", variant: str = "", *, runs: list[RunRecord]) -> EstimateAxis:
    if variant:
        how = {"weight_clipping": "clipped critic"}.get(constraint, constraint.replace("_", " "))
        return EstimateAxis(f"{variant}: K × Wasserstein", f"E f(real) − E f(fake)\n= K × W, K unknown ({how})", runs)
    if constraint:
        return EstimateAxis(
            "Wasserstein, penalised critics", "E f(real) − E f(fake)\n≈ W, Lipschitz constant near 1", runs
        )
    if name == JENSEN_SHANNON:
        return EstimateAxis("Jensen-Shannon", "log 2 − critic loss / 2\n(lower bound, at most 0.693)", runs)
    return EstimateAxis(name, name, runs)


def by_variant(runs: Iterable[RunRecord]) -> dict[str, list[RunRecord]]:
    """{variant: its runs, one a seed}, in the order of params.yaml."""
    variants: dict[str, list[RunRecord]] = {}
    for run in runs:
        variants.setdefault(run.variant, []).append(run)
    return variants


def _series(seeds: list[RunRecord], column: str, label: str, colour: int, held_out: bool = False) -> Series:
    values = np.stack([run.journal[column] for run in seeds])
    deviation = values.std(axis=0, ddof=1) if len(seeds) > 1 else None
    return Series(label, colour, held_out, seeds[0].journal["iteration"], values.mean(axis=0), deviation)
