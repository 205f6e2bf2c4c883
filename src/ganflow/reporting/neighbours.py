"""Samples beside their nearest training images: all variants of a dataset as one picture, and distances in words."""

import matplotlib.style
from matplotlib.figure import Figure

from ganflow.reporting.figures import STYLE, WIDTH, as_png
from ganflow.reporting.panels import by_variant
from ganflow.reporting.runs import Neighbours, RunRecord
from ganflow.reporting.strips import open_picture


def with_neighbours(runs: list[RunRecord]) -> dict[str, RunRecord]:
    """{variant: its first seed} of those runs of one dataset that have neighbours."""
    firsts = {variant: seeds[0] for variant, seeds in by_variant(runs).items()}
    return {variant: run for variant, run in firsts.items() if run.neighbours}


@matplotlib.style.context(["default", STYLE, {"axes.grid": False}])
def neighbour_figure(runs: dict[str, RunRecord]) -> bytes:
    """The pictures below one another, each under its distances; PNG."""
    shown = {variant: open_picture(run.neighbours.picture) for variant, run in runs.items()}
    heights = [WIDTH * pixels.shape[0] / pixels.shape[1] + 0.3 for pixels in shown.values()]
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    rows = figure.add_gridspec(len(shown), height_ratios=heights)
    for place, (variant, pixels) in enumerate(shown.items()):
        axes = figure.add_subplot(rows[place])
        axes.imshow(pixels, interpolation="nearest")
        axes.set_axis_off()
        words = f"{variant}, seed {runs[variant].seed}: {distances(runs[variant].neighbours)}"
        axes.set_title(words, fontsize=8.5, fontweight="normal")
    return as_png(figure)


def distances(found: Neighbours) -> str:
    """How near the samples are to training images."""
    first, nearest = found.ratios[: found.first], found.ratios[found.first :]
    parts = [f"{which} {min(of):.2f} to {max(of):.2f}" for which, of in (("first", first), ("nearest", nearest)) if of]
    return ", ".join(parts)
