"""Lesson: a variational autoencoder brings held-out images back from a few numbers (Kingma and Welling, arXiv
1312.6114).

It counts as shown if in every run the reconstructions in its grid explain at least `LEAST` of the variance of the
images above them, around the mean of these images.
"""

from collections.abc import Sequence

import numpy as np

from ganflow.reporting.lessons.interfaces import Lesson, is_of, span, trained
from ganflow.reporting.lessons.pictures import of_grid
from ganflow.reporting.runs import RunRecord
from ganflow.reporting.sample_grids import read_image

GRID, LEAST = "reconstructions", 0.5


def lesson(runs: Sequence[RunRecord]) -> Lesson | None:
    """The lesson on the first variant that is a variational autoencoder of images; None without one."""
    found = [run for run in runs if is_of("vae")(run) and not run.points]
    found = [run for run in found if (run.dataset, run.variant) == (found[0].dataset, found[0].variant)]
    if not found:
        return None
    shares = [explained(read_image(run.folder / "grids" / f"{GRID}.png"), _side(run)) for run in found]
    first = found[0]
    latent = first.manifest["parameters"]["training"]["latent"]
    return Lesson(
        "reconstructions",
        "An autoencoder brings held-out images back from a few numbers",
        min(shares) >= LEAST,
        f"{first.variant} on {first.dataset}: from {latent} numbers its reconstructions explain {span(shares, '.0%')} "
        f"of the variance of the first held-out images ({trained(found)}).",
        (of_grid(first, GRID, f"{shares[0]:.0%} of the variance; each row of images above its reconstructions"),),
    )


def _side(run: RunRecord) -> int:
    """Pixels a side of a sample."""
    return read_image(run.samples[-1][1]).shape[0] // int(run.manifest["parameters"]["training"]["grid"])


def explained(grid: np.ndarray, side: int) -> float:
    """The share of the variance of the images in odd rows, of `side` pixels, that the rows below them explain; grid
    (h, w, 3) uint8, without borders."""
    rows = grid.astype(np.float64).reshape(-1, 2, side, grid.shape[1] // side, side, 3)
    real, made = (rows[:, half].swapaxes(1, 2).reshape(-1, side, side, 3) for half in (0, 1))
    return float(1 - np.square(real - made).sum() / np.square(real - real.mean(0)).sum())
