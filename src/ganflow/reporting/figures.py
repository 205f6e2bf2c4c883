"""Figures as PNG bytes, equal for equal runs: independent of time, machine and matplotlibrc."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ganflow.reporting.charts import Plot, Series, by_variant
from ganflow.reporting.layout import fit
from ganflow.reporting.runs import DivergedRun, RunRecord, parted
from ganflow.reporting.sample_grids import PROGRESSION, frames

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
WIDTH, DPI = 10.0, 130  # inches, pixels per inch


@matplotlib.style.context(["default", STYLE])
def plot_figure(plots: list[Plot], width: float = WIDTH, height: float = 2.9) -> bytes:
    """The plots side by side, at most three in a row, rows of `width` x `height` inches; PNG."""
    columns = 2 if len(plots) in (2, 4) else min(3, len(plots))
    rows = -(-len(plots) // columns)
    width *= 1 if columns > 1 else 0.62
    figure = Figure(figsize=(width, height * rows + 0.35), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06))
    for index, plot in enumerate(plots):
        axes = figure.add_subplot(rows, columns, index + 1)
        if plot.level is not None:
            axes.axhline(plot.level, color=QUIET, linewidth=1)
        for series in sorted(plot.series, key=lambda series: series.diverged):
            if series.diverged and not all(other.diverged for other in plot.series):
                axes.set_ylim(axes.get_ylim())  # that of the others
            _draw(axes, series)
        axes.set_title(plot.title)
        axes.set_ylabel(plot.label)
        axes.xaxis.set_major_locator(MaxNLocator(max(2, round(width / columns)), steps=[1, 2, 5, 10], integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.margins(x=0.02)
        axes.set_xlabel("generator iteration")
    return as_png(figure)


@matplotlib.style.context(["default", STYLE, {"axes.grid": False}])
def progression_figure(runs: Sequence[RunRecord | DivergedRun]) -> bytes:
    """Samples of one dataset over training, one row per variant (first seed), titled with the iteration; PNG."""
    ended = {
        run.variant: f" (diverged at {run.divergence.iteration:,})"
        for run in parted(runs)[1]
        if run.seed == runs[0].seed
    }
    rows = [(variant, frames(seeds[0], PROGRESSION)) for variant, seeds in by_variant(runs).items()]
    columns = max(len(shown) for _, shown in rows)
    side = WIDTH / max(columns, 4)
    spacing = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03)
    figure = Figure(figsize=(side * columns, (side + 0.05) * len(rows)), layout=spacing)
    for row, (variant, shown) in enumerate(rows):
        for column, (iteration, pixels) in enumerate(shown):
            axes = figure.add_subplot(len(rows), columns, row * columns + column + 1)
            axes.imshow(pixels, interpolation="antialiased")
            axes.set_axis_off()
            name = f"{variant}, seed {runs[0].seed}{ended.get(variant, '')}: " if column == 0 else ""
            axes.set_title(f"{name}{iteration:,}", fontsize=8.5, fontweight="normal")
    return as_png(figure)


@matplotlib.style.context(["default", STYLE, {"axes.grid": False}])
def image_figure(images: dict[str, np.ndarray]) -> bytes:
    """Images, uint8 (H, W, 3), below one another under their titles; PNG."""
    heights = [WIDTH * pixels.shape[0] / pixels.shape[1] + 0.1 for pixels in images.values()]
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    rows = figure.add_gridspec(len(images), height_ratios=heights)
    for index, (title, pixels) in enumerate(images.items()):
        axes = figure.add_subplot(rows[index])
        axes.imshow(pixels, interpolation="nearest")
        axes.set_axis_off()
        axes.set_title(title, fontsize=8.5, fontweight="normal")
    return as_png(figure)


def _draw(axes: Axes, series: Series) -> None:
    linestyle = (0, (1.2, 1.2)) if series.dotted else "-"
    marker = "X" if series.diverged else "o" if len(series.iterations) == 1 else None
    colour = COLOURS[series.colour % len(COLOURS)]
    style: dict[str, Any] = {
        "color": colour,
        "label": series.label,
        "marker": marker,
        "markevery": [-1],
        "linestyle": linestyle,
    }
    axes.plot(series.iterations, series.mean, **style)
    if series.deviation is not None:
        low, high = series.mean - series.deviation, series.mean + series.deviation
        axes.fill_between(series.iterations, low, high, color=colour, alpha=0.15, linewidth=0)


def as_png(figure: Figure) -> bytes:
    """A figure as PNG bytes, with its text inside the canvas."""
    figure.set_dpi(DPI)
    fit(figure)
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})  # savefig would lay it out twice
    return file.getvalue()
