"""Figures of runs on points, PNG: level sets or values of the critic, and gradients and weights of its layers.

Plotted from the tensors that a run stores with its sample figures (training/sample_figures.py); one row or column per
variant, with its first seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from safetensors import SafetensorError
from safetensors.numpy import load_file

from ganflow.artifacts import cure
from ganflow.errors import UserError
from ganflow.reporting.charts import by_variant
from ganflow.reporting.figures import COLOURS, INK, QUIET, STYLE, WIDTH, as_png
from ganflow.reporting.runs import RunRecord
from ganflow.tensor_metadata import Tensors

REAL, FAKE = "#8a8a8a", "#d55e00"
SNAPSHOTS = 5


@dataclass(frozen=True)
class Snapshot:
    """The stored tensors of a run on points at an iteration."""

    iteration: int
    tensors: dict[str, np.ndarray]


def point_figures(runs: list[RunRecord]) -> dict[str, bytes]:
    """The figures of one dataset of points, by the names of captions.CAPTIONS."""
    seeds = {variant: found[0] for variant, found in by_variant(runs).items()}
    dimension = len(_snapshot(runs[0], -1).tensors["window"])
    figures = {}
    if dimension == 2:
        figures["surfaces"] = _surfaces(seeds)
    if dimension == 1:
        figures["evolution"] = _evolution(seeds)
    critics = {variant: run for variant, run in seeds.items() if "gradient_norms" in _snapshot(run, -1).tensors}
    return figures | ({"layers": _layers(critics)} if critics else {})


def _snapshot(run: RunRecord, place: int) -> Snapshot:
    iteration, picture = run.samples[place]
    return Snapshot(iteration, _tensors(picture.with_suffix(".safetensors")))


def _tensors(path: Path) -> Tensors[np.ndarray]:
    try:
        return Tensors(path, load_file(path))
    except (OSError, SafetensorError):
        raise UserError(f"{path}: missing or damaged; {cure(path)}") from None


@matplotlib.style.context(["default", STYLE, {"axes.grid": False}])
def _surfaces(runs: dict[str, RunRecord]) -> bytes:
    columns = min(4, len(runs))
    rows = -(-len(runs) // columns)
    side = WIDTH / max(columns, 3)
    figure = Figure(figsize=(side * columns, (side + 0.05) * rows), layout="constrained")
    for place, (variant, run) in enumerate(runs.items()):
        axes = figure.add_subplot(rows, columns, place + 1)
        _surface(axes, run)
        axes.set_title(f"{variant}\n{_scored(run)}", fontsize=8)
    return as_png(figure)


@matplotlib.style.context(["default", STYLE, {"axes.grid": False}])
def surface_figure(run: RunRecord) -> bytes:
    """The level sets of one run's critic with its points, in two dimensions, PNG."""
    figure = Figure(figsize=(0.4 * WIDTH, 0.4 * WIDTH), layout="constrained")
    _surface(figure.add_subplot(), run)
    return as_png(figure)


def in_the_plane(run: RunRecord) -> bool:
    """Whether the points of a run have two coordinates."""
    return len(_snapshot(run, -1).tensors["window"]) == 2


def _surface(axes: Axes, run: RunRecord) -> None:
    last = _snapshot(run, -1).tensors
    (left, right), (bottom, top) = last["window"]
    scores = last.get("scores", np.zeros((1, 1)))
    if np.ptp(scores) > 0:
        x, y = (np.linspace(low, high, len(scores)) for low, high in last["window"])
        axes.contourf(x, y, scores.T, 14, cmap="Blues_r", alpha=0.55)
        axes.contour(x, y, scores.T, 14, colors="#33557a", linewidths=0.5)
    axes.scatter(last["real"][:, 0], last["real"][:, 1], s=3, color="#333333", linewidths=0, alpha=0.7)
    axes.scatter(last["points"][:, 0], last["points"][:, 1], s=3, color=FAKE, linewidths=0, alpha=0.7)
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", xticks=[], yticks=[])


def _scored(run: RunRecord) -> str:
    """The scores of a run in one line."""
    scores = run.score["scores"]
    words = [f"EM {scores['exact_em']:.3f}"] if "exact_em" in scores else []
    if "missed_modes" in scores:
        words.append(f"missed {scores['missed_modes']:.0f}")
    if "high_quality_samples" in scores:
        words.append(f"HQ {scores['high_quality_samples']:.0%}")
    return ", ".join(words)


@matplotlib.style.context(["default", STYLE, {"axes.grid": False}])
def _evolution(runs: dict[str, RunRecord]) -> bytes:
    figure = Figure(figsize=(WIDTH, 1.5 * len(runs)), layout="constrained")
    for row, (variant, run) in enumerate(runs.items()):
        places = np.unique(np.linspace(0, 1, SNAPSHOTS) ** 1.5 * (len(run.samples) - 1) // 1).astype(int)
        for column, place in enumerate(places):
            shown = _snapshot(run, place)
            axes = figure.add_subplot(len(runs), SNAPSHOTS, row * SNAPSHOTS + column + 1)
            _line_of(axes, shown.tensors)
            axes.set_title(f"{variant}: {shown.iteration:,}" if column == 0 else f"{shown.iteration:,}", fontsize=9)
    return as_png(figure)


def _line_of(axes: Axes, tensors: dict[str, np.ndarray]) -> None:
    [(low, high)] = tensors["window"]
    bins = list(np.linspace(low, high, 49))
    axes.hist(tensors["real"][:, 0], bins, density=True, color=REAL, alpha=0.55)
    axes.hist(tensors["points"][:, 0], bins, density=True, color=FAKE, histtype="step", linewidth=1.5)
    height = 1.35 * np.histogram(tensors["real"][:, 0], bins, density=True)[0].max()
    axes.set(xlim=(low, high), ylim=(0, height), yticks=[])
    if "scores" not in tensors:
        return
    curve = axes.twinx()
    if "probabilities" in tensors:
        curve.plot(np.linspace(low, high, len(tensors["probabilities"])), tensors["probabilities"], color=COLOURS[0])
        curve.axhline(0.5, color=QUIET, linewidth=0.6)
        curve.set(ylim=(-0.03, 1.03))
    else:
        curve.plot(np.linspace(low, high, len(tensors["scores"])), tensors["scores"], color=COLOURS[2])
    curve.set(yticks=[])


@matplotlib.style.context(["default", STYLE])
def _layers(runs: dict[str, RunRecord]) -> bytes:
    columns = min(3, len(runs))
    rows = -(-len(runs) // columns)
    figure = Figure(figsize=(WIDTH, max(3.2, 1.7 * rows + 0.3)), layout="constrained")
    [[left, right]] = figure.subfigures(1, 2, squeeze=False, width_ratios=(1, 1.5))
    axes = left.add_subplot()
    for place, (variant, run) in enumerate(runs.items()):
        norms = _snapshot(run, -1).tensors["gradient_norms"].astype(np.float64)
        shown = np.where(norms > 0, norms, np.nan)
        axes.plot(np.arange(1, len(norms) + 1), shown, "o-", ms=3, color=COLOURS[place % len(COLOURS)], label=variant)
    axes.set(yscale="log", xlabel="layer of the critic, from the input", ylabel="norm of the loss's gradient")
    axes.set_title("Gradient by layer")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    for place, (variant, run) in enumerate(runs.items()):
        _weights(right.add_subplot(rows, columns, place + 1), variant, run, COLOURS[place % len(COLOURS)])
    right.suptitle("Weights of all layers", fontsize=10.5, fontweight="bold", x=0.02, ha="left")
    return as_png(figure)


@matplotlib.style.context(["default", STYLE, {"axes.grid": False}])
def weights_figure(runs: Sequence[RunRecord], width: float) -> bytes:
    """Histograms of all weights of the critics of some runs, side by side, `width` inches together; PNG."""
    figure = Figure(figsize=(width, 1.3), layout="constrained")
    for place, run in enumerate(runs):
        _weights(figure.add_subplot(1, len(runs), place + 1), run.variant, run, COLOURS[place % len(COLOURS)])
    return as_png(figure)


def _weights(axes: Axes, title: str, run: RunRecord, colour: str) -> None:
    axes.hist(critic_weights(run), 60, color=colour)
    axes.set_title(f"{title}{_limit(run)}", fontsize=8)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(2, steps=[1, 2, 5, 10], symmetric=True))
    axes.tick_params(colors=INK, labelsize=8)


def critic_weights(run: RunRecord) -> np.ndarray:
    """All weights of a run's critic, without biases, (n,); raises UserError if the file is missing or damaged."""
    tensors = _tensors(run.folder / "critic.safetensors")
    return np.concatenate([v.ravel() for k, v in tensors.items() if k.endswith("weight")])


def _limit(run: RunRecord) -> str:
    """The limit of a clipped critic's weights, or nothing."""
    constraint = run.manifest["settings"].get("constraint", {})
    return f": c = {constraint['settings']['limit']:g}" if constraint.get("name") == "weight_clipping" else ""
