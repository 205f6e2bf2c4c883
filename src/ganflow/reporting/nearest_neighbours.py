"""The report's figure of samples with their nearest training images, and distances in words."""

from ganflow.reporting.charts import by_variant
from ganflow.reporting.figures import image_figure
from ganflow.reporting.runs import Neighbours, RunRecord
from ganflow.reporting.sample_grids import read_image


def with_neighbours(runs: list[RunRecord]) -> dict[str, tuple[RunRecord, Neighbours]]:
    """{variant: (run with its first seed, its neighbours)} of the runs of one dataset that have neighbours."""
    firsts = {variant: seeds[0] for variant, seeds in by_variant(runs).items()}
    return {variant: (run, run.neighbours) for variant, run in firsts.items() if run.neighbours}


def neighbour_figure(runs: dict[str, tuple[RunRecord, Neighbours]]) -> bytes:
    """The images of all variants, titled with their distances; PNG."""
    return image_figure(
        {
            f"{variant}, seed {run.seed}: {distances(found)}": read_image(found.image)
            for variant, (run, found) in runs.items()
        }
    )


def distances(found: Neighbours) -> str:
    """Ranges of the relative distances of samples to training images, in words."""
    first, nearest = found.ratios[: found.first], found.ratios[found.first :]
    parts = [f"{which} {min(of):.2f} to {max(of):.2f}" for which, of in (("first", first), ("nearest", nearest)) if of]
    return ", ".join(parts)
