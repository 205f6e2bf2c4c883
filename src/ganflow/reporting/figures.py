"""Figures: losses and estimates over training with their signs spelled out, and samples side by side.

What must not share an axis does not: Wasserstein estimates of penalised critics, those of clipped critics (K times the
distance, K unknown) and Jensen-Shannon estimates each have their own panel. Equal inputs give equal bytes.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from ganflow.reporting.runs import RunRecord

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999933")  # Okabe and Ito
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "savefig.dpi": 110,
}
WIDTH = 11.0  # inches of every figure
STRIP_IMAGES = 3  # a side, from the corner of a grid
STRIP_COLUMNS = 6  # iterations shown


def colour_of(variants: Sequence[str], variant: str) -> str:
    """One colour for each variant, the same in every figure of a dataset."""
    return COLOURS[list(variants).index(variant) % len(COLOURS)]


def variants_of(runs: list[RunRecord]) -> list[str]:
    """The variants of some runs, in the order of params.yaml."""
    return list(dict.fromkeys(run.variant for run in runs))


def estimate_groups(runs: list[RunRecord]) -> dict[str, list[RunRecord]]:
    """Runs whose estimates may share an axis, by what they estimate."""
    groups: dict[str, list[RunRecord]] = {}
    for run in runs:
        groups.setdefault(run.estimate, []).append(run)
    return groups


def loss_figure(runs: list[RunRecord]) -> bytes:
    """A PNG: training and held-out critic loss of one dataset's variants, one panel a variant."""
    variants = variants_of(runs)
    with matplotlib.rc_context(STYLE):
        figure, panels = _panels(len(variants), columns=3)
        for variant, axes in zip(variants, panels, strict=True):
            group = [run for run in runs if run.variant == variant]
            colour = colour_of(variants, variant)
            _curve(axes, group, "critic_loss", colour, "training", "-")
            _curve(axes, group, "validation_critic_loss", colour, "held-out images", ":")
            axes.set_title(variant)
            _label(axes, "critic loss (minimised)")
        return _png(figure)


def estimate_figure(runs: list[RunRecord]) -> bytes:
    """A PNG: what the critics of one dataset estimate on held-out images, one panel for each kind of estimate."""
    variants, groups = variants_of(runs), estimate_groups(runs)
    with matplotlib.rc_context(STYLE):
        figure, panels = _panels(len(groups), columns=len(groups))
        for (name, group), axes in zip(groups.items(), panels, strict=True):
            for variant in variants_of(group):
                chosen = [run for run in group if run.variant == variant]
                _curve(axes, chosen, "validation_estimate", colour_of(variants, variant), variant, "-")
            axes.set_title(name.replace(" (", "\n("), fontsize=8)
            _label(axes, "estimate (larger: farther apart)")
        return _png(figure)


def strip_figure(runs: list[RunRecord]) -> bytes:
    """A PNG: samples of every variant of one dataset from fixed latent vectors, from the first iteration to the last."""
    variants = variants_of(runs)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, (WIDTH / STRIP_COLUMNS + 0.15) * len(variants)), layout="constrained")
        panels = figure.subplots(len(variants), STRIP_COLUMNS, squeeze=False)
        for variant, row in zip(variants, panels, strict=True):
            run = next(run for run in runs if run.variant == variant)
            chosen = np.linspace(0, len(run.samples) - 1, STRIP_COLUMNS).round().astype(int)
            for axes, index in zip(row, chosen, strict=True):
                iteration, path = run.samples[index]
                side = run.manifest["parameters"]["training"]["grid"]
                axes.imshow(_corner(path, side), interpolation="nearest")
                axes.set_title(f"{variant}, iteration {iteration}", fontsize=8, pad=3)
                axes.set_axis_off()
        return _png(figure)


def _corner(path: Path, side: int) -> np.ndarray:
    """The images in the corner of a grid of side x side."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    shown = pixels.shape[0] // side * min(side, STRIP_IMAGES)
    return pixels[:shown, :shown]


def _panels(count: int, columns: int) -> tuple[Figure, list[Axes]]:
    rows = -(-count // columns)
    figure = Figure(figsize=(WIDTH, 2.7 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for unused in panels[count:]:
        unused.set_axis_off()
    return figure, list(panels[:count])


def _curve(axes: Axes, runs: list[RunRecord], column: str, colour: str, label: str, style: str) -> None:
    """The mean over seeds, with a band of one sample deviation where there are several."""
    iterations = runs[0].journal["iteration"]
    values = np.stack([run.journal[column] for run in runs])
    middle = values.mean(0)
    axes.plot(iterations, middle, style, color=colour, label=label, linewidth=1.4)
    if len(runs) > 1:
        spread = values.std(0, ddof=1)
        axes.fill_between(iterations, middle - spread, middle + spread, color=colour, alpha=0.15, linewidth=0)


def _label(axes: Axes, quantity: str) -> None:
    axes.set_xlabel("generator iteration")
    axes.set_ylabel(quantity)
    axes.legend()


def _png(figure: Figure) -> bytes:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()
