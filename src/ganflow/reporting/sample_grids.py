"""Sample grids cut to what can be read: the first images of some grids of a run, in their own pixels.

The grids of a run come from the same latent vectors at every iteration, so one place is one sample growing up.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from ganflow.errors import UserError
from ganflow.reporting.runs import RunRecord

PROGRESSION = 5  # grids in a printed strip
FILM = 12  # grids of one run that the page's slider moves through, when the runs are few
FILMS = 160  # grids of all runs together, so that the page stays a few megabytes
SHORTEST = 5
SIDE = 256  # pixels, about, that are shown of a grid


def frames_per_run(runs: int) -> int:
    """How many grids of each run the page holds."""
    return min(FILM, max(SHORTEST, FILMS // runs))


def images_a_side(run: RunRecord) -> int:
    """How many images a side are shown of a run's grids: about SIDE pixels, but at least 2."""
    grid = run.manifest["parameters"]["training"]["grid"]
    if run.points:
        return grid
    return min(grid, max(2, SIDE * grid // open_picture(run.samples[-1][1]).shape[0]))


def pictures(run: RunRecord, count: int) -> list[tuple[int, np.ndarray]]:
    """At most `count` (iteration, uint8 (H, W, 3)) from the first grid to the last, closer together at the start,
    where most happens; raises UserError that names a grid that can't be read."""
    steps = np.linspace(0, 1, count) ** 1.5 * (len(run.samples) - 1)
    chosen = [run.samples[place] for place in np.unique(steps.round().astype(int))]
    grid, shown = run.manifest["parameters"]["training"]["grid"], images_a_side(run)
    found = []
    for iteration, file in chosen:
        pixels = open_picture(file)
        side = pixels.shape[0] if run.points else pixels.shape[0] // grid * shown
        found.append((iteration, pixels[:side, :side]))
    return found


def open_picture(file: Path) -> np.ndarray:
    """Its pixels, uint8 (H, W, 3); raises UserError if it can't be read."""
    try:
        with Image.open(file) as picture:
            return np.asarray(picture.convert("RGB"))
    except OSError:
        raise UserError(f"{file}: damaged (not a PNG); delete its folder and run `dvc repro` again") from None
