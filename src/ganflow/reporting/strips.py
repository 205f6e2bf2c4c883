"""Sample grids cut to what can be read: the first ROWS x ROWS images of a few grids of a run, in their own pixels.

The grids of a run come from the same latent vectors at every iteration, so one place is one sample growing up.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from ganflow.errors import UserError
from ganflow.reporting.runs import RunRecord

FRAMES = 5  # grids in a strip
ROWS = 4  # images a side that are shown of a grid


def frames(run: RunRecord) -> list[tuple[int, Path]]:
    """At most FRAMES grids from the first to the last, closer together at the start, where most happens."""
    steps = np.linspace(0, 1, FRAMES) ** 2 * (len(run.samples) - 1)
    return [run.samples[place] for place in np.unique(steps.round().astype(int))]


def frame_pictures(run: RunRecord) -> list[tuple[int, np.ndarray]]:
    """(iteration, uint8 (H, W, 3)) of the grids of `frames`; raises UserError that names a grid that can't be read."""
    side = run.manifest["parameters"]["training"]["grid"]
    return [(iteration, _cut(file, side)) for iteration, file in frames(run)]


def _cut(file: Path, side: int) -> np.ndarray:
    try:
        with Image.open(file) as picture:
            pixels = np.asarray(picture.convert("RGB"))
    except OSError:
        raise UserError(f"{file}: damaged (not a PNG); delete its folder and run `dvc repro` again") from None
    shown = pixels.shape[0] // side * min(ROWS, side)
    return pixels[:shown, :shown]
