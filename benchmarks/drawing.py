"""Panels of curves as SVG, equal for equal numbers."""

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")


def panels(count: int) -> tuple[Any, list[Any]]:
    """A figure with this number of axes, at most three in a row."""
    from matplotlib import pyplot as plt

    columns = 2 if count in (2, 4) else min(3, count)
    rows = -(-count // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4.5 * columns, 3.4 * rows), layout="constrained", squeeze=False)
    for unused in axes.flat[count:]:
        unused.remove()
    return figure, list(axes.flat[:count])


def finish(panel: Any, title: str, xlabel: str, ylabel: str) -> None:
    """Titles and a legend, and a vertical axis from zero."""
    panel.set(title=title, xlabel=xlabel, ylabel=ylabel, ylim=(0, None))
    panel.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False)


def save(figure: Any, path: Path) -> None:
    """Writes the figure without a date and with identifiers that depend on nothing but the file's name."""
    mpl.rcParams["svg.hashsalt"] = path.stem
    figure.savefig(path, metadata={"Date": None})
