"""Pictures of single runs: the last samples, with the critic's level sets where they are points in the plane."""

import io

import numpy as np
from PIL import Image

from ganflow.reporting.lessons.interfaces import Picture
from ganflow.reporting.points import in_the_plane, surface_figure
from ganflow.reporting.runs import RunRecord
from ganflow.reporting.sample_grids import frames, read_image

SCALE = 2  # screen pixels of a pixel


def of_samples(run: RunRecord, measured: str) -> Picture:
    """The last samples of a run with a measurement: points in the plane on the critic's level sets, else as stored."""
    name = f"{run.dataset}_{run.variant}"
    words = f"{run.variant} on {run.dataset}, iteration {run.samples[-1][0]:,}: {measured}"
    return Picture(name, words, surface_figure(run) if run.points and in_the_plane(run) else _grid(run), narrow=True)


def of_grid(run: RunRecord, grid: str, measured: str) -> Picture:
    """A grid that a run's method has made after training, with a measurement."""
    words = f"{run.variant} on {run.dataset}: {measured}"
    png = _enlarged(read_image(run.folder / "grids" / f"{grid}.png"))
    return Picture(f"{run.dataset}_{run.variant}_{grid}", words, png, narrow=True)


def _grid(run: RunRecord) -> bytes:
    return _enlarged(frames(run, 2)[-1][1])


def _enlarged(image: np.ndarray) -> bytes:
    pixels = Image.fromarray(image)
    file = io.BytesIO()
    pixels.resize((SCALE * pixels.width, SCALE * pixels.height), Image.Resampling.NEAREST).save(file, "PNG")
    return file.getvalue()
