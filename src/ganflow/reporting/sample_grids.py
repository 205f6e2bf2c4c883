"""Sample grids for the report: the first images of some grids of a run, at their original resolution.

The grids of a run use the same latent vectors at every iteration, so a position shows one sample over training.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from ganflow.artifacts import cure
from ganflow.errors import UserError
from ganflow.reporting.runs import TrainingRecord

PROGRESSION = 5  # grids in the progression figure
MAX_FRAMES = 12  # grids of one run for the page's slider
MAX_TOTAL_FRAMES = 160  # grids of all runs, to limit the size of the page to a few megabytes
MIN_FRAMES = 5
SIDE = 256  # approximate side of the part of a grid that is shown, in pixels


def frames_per_run(runs: int) -> int:
    """Number of grids of each run in the page."""
    return min(MAX_FRAMES, max(MIN_FRAMES, MAX_TOTAL_FRAMES // runs))


def images_a_side(run: TrainingRecord) -> int:
    """Images per side of the shown part of a run's grids: about SIDE pixels, at least 2."""
    grid = run.manifest["parameters"]["training"]["grid"]
    if run.points:
        return grid
    return min(grid, max(2, SIDE * grid // read_image(run.samples[-1][1]).shape[0]))


def frames(run: TrainingRecord, count: int) -> list[tuple[int, np.ndarray]]:
    """At most `count` (iteration, uint8 (H, W, 3)) from the first grid to the last, denser at the start, where samples
    change most; raises UserError for a grid that can't be read."""
    steps = np.linspace(0, 1, count) ** 1.5 * (len(run.samples) - 1)
    chosen = [run.samples[place] for place in np.unique(steps.round().astype(int))]
    grid, shown = run.manifest["parameters"]["training"]["grid"], images_a_side(run)
    found = []
    for iteration, file in chosen:
        pixels = read_image(file)
        side = pixels.shape[0] if run.points else pixels.shape[0] // grid * shown
        found.append((iteration, pixels[:side, :side]))
    return found


def read_image(file: Path) -> np.ndarray:
    """Pixels of an image file, uint8 (H, W, 3); raises UserError if it can't be read."""
    try:
        with Image.open(file) as image:
            return np.asarray(image.convert("RGB"))
    except OSError:
        raise UserError(f"{file}: damaged (not a PNG); {cure(file)}") from None
