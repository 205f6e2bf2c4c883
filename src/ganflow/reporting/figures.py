"""Curves and scores as PNG bytes, equal for equal runs: no clock, no machine, no matplotlibrc.

Losses say their sign and what is minimised. Estimates share an axis only where their heights can be compared: a critic
with a gradient penalty has a Lipschitz constant near 1, any other Wasserstein critic an unknown one, K.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ganflow.reporting.runs import RunRecord
from ganflow.reporting.tables import grouped, score_names

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#aa4499", "#b8860b", "#3a9fd6", "#444444")  # Okabe and Ito, darkened for white
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
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
    """One axis of estimates whose heights can be compared, and what can be said of them."""

    title: str
    label: str
    note: str
    runs: list[RunRecord]


def estimate_axes(runs: Iterable[RunRecord]) -> list[EstimateAxis]:
    """One dataset's runs by the axis on which their estimates belong.

    Penalised Wasserstein critics share one axis, each other Wasserstein variant has its own (its K is its own), and any
    other estimate shares one with those of the same name.
    """
    groups: dict[tuple[str, ...], list[RunRecord]] = {}
    for run in runs:
        key = (run.estimate_name,)
        if run.estimate_name == WASSERSTEIN:
            key += ("gradient_penalty",) if run.constraint == "gradient_penalty" else (run.constraint, run.variant)
        groups.setdefault(key, []).append(run)
    return [_estimate_axis(*key, runs=members) for key, members in groups.items()]


def _estimate_axis(name: str, constraint: str = "", variant: str = "", *, runs: list[RunRecord]) -> EstimateAxis:
    if variant:
        how = {"weight_clipping": "clipped"}.get(constraint, constraint.replace("_", " "))
        title, label = f"{variant}: K × Wasserstein", f"E f(real) − E f(fake)\n= K × W, K unknown ({how} critic)"
        note = (
            f"{variant}: its {how} critic estimates K times the Wasserstein distance, with a Lipschitz constant K that is "
            "not known and differs between variants and datasets: the shape says something, the height does not."
        )
    elif constraint:
        title, label = "Wasserstein, penalised critics", "E f(real) − E f(fake) ≈ W"
        note = "Penalised critics are held near a Lipschitz constant of 1, so their estimates share an axis."
    elif name == JENSEN_SHANNON:
        title, label = "Jensen-Shannon", "log 2 − critic loss / 2\n(nats, at most log 2 = 0.693)"
        note = "The Jensen-Shannon estimate is a lower bound with the factor 1/2; at log 2 the critic tells all apart."
    else:
        title, label, note = name, name, f"{name}: on its own axis, for it is another quantity."
    return EstimateAxis(title, label, note, runs)


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


def _iterations(axes: Axes, label: bool = True) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.margins(x=0.02)
    if label:
        axes.set_xlabel("generator iteration")


def _band(axes: Axes, seeds: list[RunRecord], column: str, colour: str, held_out: bool, label: str | None = None) -> None:
    """The mean over seeds as a line, with a band of one sample deviation where there are several."""
    iterations = seeds[0].journal["iteration"]
    values = np.stack([run.journal[column] for run in seeds])
    mean = values.mean(axis=0)
    look = {"linestyle": "-"} if held_out else {"linestyle": (0, (1.2, 1.6)), "linewidth": 1.3}
    marker = "o" if len(iterations) == 1 else None
    axes.plot(iterations, mean, color=colour, label=label, marker=marker, **look)
    if len(seeds) > 1:
        spread = values.std(axis=0, ddof=1)
        alpha = 0.18 if held_out else 0.10
        axes.fill_between(iterations, mean - spread, mean + spread, color=colour, alpha=alpha, linewidth=0)


def colours(runs: Iterable[RunRecord]) -> dict[str, str]:
    """One colour a variant, the same in every figure of a report."""
    return {variant: COLOURS[place % len(COLOURS)] for place, variant in enumerate(grouped(runs, "variant"))}


@matplotlib.style.context(["default", STYLE])
def loss_figure(runs: list[RunRecord], palette: dict[str, str]) -> bytes:
    """One dataset's critic losses, held out and in training, one panel a variant; PNG."""
    variants = grouped(runs, "variant")
    figure, panels = _panels(len(variants), height=2.75)
    for axes, (variant, seeds) in zip(panels, variants.items(), strict=True):
        name = seeds[0].estimate_name
        if name in BLIND:
            axes.axhline(BLIND[name], color=QUIET, linewidth=1)
        _band(axes, seeds, "critic_loss", palette[variant], held_out=False, label="training")
        _band(axes, seeds, "validation_critic_loss", palette[variant], held_out=True, label="held out")
        axes.set_title(variant)
        axes.set_ylabel(f"critic loss (minimised)\n{LOSS_FORMULAS.get(name, 'without penalty')}")
        axes.legend(loc="best")
        _iterations(axes)
    return _png(figure)


@matplotlib.style.context(["default", STYLE])
def estimate_figure(runs: list[RunRecord], palette: dict[str, str]) -> bytes:
    """One dataset's estimates, one panel for each of `estimate_axes`; PNG."""
    groups = estimate_axes(runs)
    figure, panels = _panels(len(groups), height=3.0, columns=2 if len(groups) in (2, 4) else COLUMNS)
    for axes, group in zip(panels, groups, strict=True):
        axes.axhline(0, color=QUIET, linewidth=1)
        for variant, seeds in grouped(group.runs, "variant").items():
            _band(axes, seeds, "estimate", palette[variant], held_out=False)
            _band(axes, seeds, "validation_estimate", palette[variant], held_out=True, label=variant)
        axes.set_title(group.title)
        axes.set_ylabel(group.label)
        axes.legend(loc="best")
        _iterations(axes)
    return _png(figure)


@matplotlib.style.context(["default", STYLE])
def score_figure(runs: list[RunRecord], palette: dict[str, str]) -> bytes:
    """One dataset's scores, every seed a point, the mean a bar, beside the score of real training images; PNG."""
    variants, names = grouped(runs, "variant"), score_names(runs)
    figure, panels = _panels(len(names), height=0.8 + 0.34 * len(variants), columns=2)
    for place, (axes, name) in enumerate(zip(panels, names, strict=True)):
        real = float(np.mean([run.score["floor"][name] for run in runs if name in run.score["floor"]]))
        axes.axvline(real, color=INK, linewidth=1.2)
        axes.annotate("real", (real, 1), (3, -2), xycoords=("data", "axes fraction"), textcoords="offset points", va="top")
        for row, (variant, seeds) in enumerate(variants.items()):
            values = [run.score["scores"][name] for run in seeds if name in run.score["scores"]]
            marker = MARKERS[row // len(COLOURS) % len(MARKERS)]
            axes.plot(values, [row] * len(values), marker, color=palette[variant], alpha=0.65, markeredgewidth=0)
            axes.plot([np.mean(values)] * 2, [row - 0.3, row + 0.3], color=palette[variant], linewidth=2)
        axes.set_yticks(range(len(variants)), list(variants) if place % 2 == 0 else [""] * len(variants))
        axes.set_ylim(len(variants) - 0.4, -0.9)
        axes.grid(axis="y", visible=False)
        axes.margins(x=0.08)
        axes.set_title(name)
    return _png(figure)
