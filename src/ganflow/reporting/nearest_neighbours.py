"""Samples beside their nearest training images: all variants of a dataset as one picture, and distances in words."""

from ganflow.reporting.charts import by_variant
from ganflow.reporting.figures import image_figure
from ganflow.reporting.runs import Neighbours, RunRecord
from ganflow.reporting.sample_grids import open_picture


def with_neighbours(runs: list[RunRecord]) -> dict[str, tuple[RunRecord, Neighbours]]:
    """{variant: (its first seed, its neighbours)} of those runs of one dataset that have neighbours."""
    firsts = {variant: seeds[0] for variant, seeds in by_variant(runs).items()}
    return {variant: (run, run.neighbours) for variant, run in firsts.items() if run.neighbours}


def neighbour_figure(runs: dict[str, tuple[RunRecord, Neighbours]]) -> bytes:
    """The images below one another, each under its distances; PNG."""
    return image_figure(
        {
            f"{variant}, seed {run.seed}: {distances(found)}": open_picture(found.picture)
            for variant, (run, found) in runs.items()
        }
    )


def distances(found: Neighbours) -> str:
    """How near the samples are to training images."""
    first, nearest = found.ratios[: found.first], found.ratios[found.first :]
    parts = [f"{which} {min(of):.2f} to {max(of):.2f}" for which, of in (("first", first), ("nearest", nearest)) if of]
    return ", ".join(parts)
