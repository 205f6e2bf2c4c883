"""Curves and sample strips as PNG bytes, equal for equal runs: no clock, no machine, no matplotlibrc.

Losses say their sign and what is minimised. Estimates share an axis only where their heights can be compared: a critic
with a gradient penalty has a Lipschitz constant near 1, any other Wasserstein critic an unknown one, K.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ganflow.reporting.runs import RunRecord
from ganflow.reporting.strips import frame_pictures

COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#aa4499",
    "#b8860b",
    "#3a9fd6",
    "#444444",
)  # Okabe and Ito, darkened for white
INK, QUIET = "#222222", "#8a8a8a"
STYLE = {
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}
WIDTH, DPI = 10.0, 130  # inches, pixels an inch
COLUMNS = 3

WASSERSTEIN, JENSEN_SHANNON = "Wasserstein estimate", "Jensen-Shannon estimate"
LOSS_FORMULAS = {
    WASSERSTEIN: "E f(fake) − E f(real)",
    JENSEN_SHANNON: "−E log D(real) − E log(1 − D(fake))",
}
BLIND = {WASSERSTEIN: 0.0, JENSEN_SHANNON: 2 * float(np.log(2))}  # the loss of a critic that tells nothing apart


@dataclass(frozen=True)
class EstimateAxis:
    """One axis of estimates whose heights can be compared."""

    title: str
    label: str
    runs: list[RunRecord]


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


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI, facecolor="white", metadata={"Software": None})
    return file.getvalue()


def _panels(count: int, height: float, columns: int = COLUMNS) -> tuple[Figure, list[Axes]]:
    columns = min(columns, count)
    rows = -(-count // columns)
    width = WIDTH if columns > 1 else 0.62 * WIDTH
    figure = Figure(figsize=(width, height * rows + 0.35), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.06)
    axes = [figure.add_subplot(rows, columns, place + 1) for place in range(count)]
    return figure, axes


def _iterations(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.margins(x=0.02)
    axes.set_xlabel("generator iteration")


def _band(axes: Axes, seeds: list[RunRecord], column: str, colour: str, label: str, dotted: bool = False) -> None:
    """The mean over seeds as a line, with a band of one sample deviation where there are several."""
    iterations = seeds[0].journal["iteration"]
    values = np.stack([run.journal[column] for run in seeds])
    mean = values.mean(axis=0)
    look = (0, (1.2, 1.2)) if dotted else "-"
    marker = "o" if len(iterations) == 1 else None
    axes.plot(iterations, mean, color=colour, label=label, marker=marker, linestyle=look)
    if len(seeds) > 1:
        spread = values.std(axis=0, ddof=1)
        axes.fill_between(iterations, mean - spread, mean + spread, color=colour, alpha=0.15, linewidth=0)


def _by_variant(runs: Iterable[RunRecord]) -> dict[str, list[RunRecord]]:
    variants: dict[str, list[RunRecord]] = {}
    for run in runs:
        variants.setdefault(run.variant, []).append(run)
    return variants


def _colours(runs: Iterable[RunRecord]) -> dict[str, str]:
    """One colour a variant, by its place in params.yaml, so the same in every figure of a report."""
    return {variant: COLOURS[place % len(COLOURS)] for place, variant in enumerate(_by_variant(runs))}


@matplotlib.style.context(["default", STYLE])
def loss_figure(runs: list[RunRecord]) -> bytes:
    """One dataset's critic losses, in training and on held-out images (dotted), one panel a variant; PNG."""
    variants, palette = _by_variant(runs), _colours(runs)
    figure, panels = _panels(len(variants), height=2.75)
    for axes, (variant, seeds) in zip(panels, variants.items(), strict=True):
        name = seeds[0].manifest["estimate_name"]
        if name in BLIND:
            axes.axhline(BLIND[name], color=QUIET, linewidth=1)
        _band(axes, seeds, "critic_loss", palette[variant], "training")
        _band(axes, seeds, "validation_critic_loss", palette[variant], "held out", dotted=True)
        axes.set_title(variant)
        axes.set_ylabel(f"critic loss (minimised)\n{LOSS_FORMULAS.get(name, 'without penalty')}")
        axes.legend(loc="best")
        _iterations(axes)
    return _png(figure)


@matplotlib.style.context(["default", STYLE])
def estimate_figure(runs: list[RunRecord]) -> bytes:
    """One dataset's estimates on held-out images, one panel for each of `estimate_axes`; PNG."""
    groups, palette = estimate_axes(runs), _colours(runs)
    figure, panels = _panels(len(groups), height=3.0, columns=2 if len(groups) in (2, 4) else COLUMNS)
    for axes, group in zip(panels, groups, strict=True):
        axes.axhline(0, color=QUIET, linewidth=1)
        for variant, seeds in _by_variant(group.runs).items():
            _band(axes, seeds, "validation_estimate", palette[variant], variant)
        axes.set_title(group.title)
        axes.set_ylabel(group.label)
        axes.legend(loc="best")
        _iterations(axes)
    return _png(figure)


@matplotlib.style.context(["default", STYLE, {"axes.grid": False}])
def strip_figure(runs: list[RunRecord]) -> bytes:
    """One dataset's samples over training, one row a variant (its first seed), titled with the iteration; PNG."""
    rows = [(variant, frame_pictures(seeds[0])) for variant, seeds in _by_variant(runs).items()]
    columns = max(len(frames) for _, frames in rows)
    side = WIDTH / max(columns, 4)
    figure = Figure(figsize=(side * columns, (side + 0.22) * len(rows)), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03)
    for row, (variant, frames) in enumerate(rows):
        for column, (iteration, pixels) in enumerate(frames):
            axes = figure.add_subplot(len(rows), columns, row * columns + column + 1)
            axes.imshow(pixels, interpolation="antialiased")
            axes.set_axis_off()
            name = f"{variant}, seed {runs[0].seed}: " if column == 0 else ""
            axes.set_title(f"{name}{iteration:,}", fontsize=8.5, fontweight="normal")
    return _png(figure)
