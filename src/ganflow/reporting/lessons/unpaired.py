"""Lesson: without pairs, the way there and back leads to the counterpart (CycleGAN, arXiv 1703.10593; DiscoGAN, arXiv
1703.05192; DualGAN, arXiv 1704.02510). Rendered scenes know their counterparts, which real data does not.

It counts as shown if in every run of these methods the first held-out images' translations are nearer to their
counterparts than the images themselves are.
"""

from collections.abc import Sequence

import numpy as np

from ganflow.reporting.charts import by_variant
from ganflow.reporting.lessons.interfaces import Lesson, Seeds, span, trained
from ganflow.reporting.lessons.paired import GRID
from ganflow.reporting.lessons.pictures import of_grid
from ganflow.reporting.runs import RunRecord
from ganflow.reporting.sample_grids import read_image

METHODS = ("cyclegan", "discogan", "dualgan")
COLUMNS = 3  # of a grid: an image, its translation, its counterpart


def lesson(runs: Sequence[RunRecord]) -> Lesson | None:
    """The lesson on all variants of these methods whose counterparts are known; None without one."""
    known = [
        run for run in runs if run.component("method") in METHODS and run.score["protocol"]["translation"]["target"]
    ]
    if not known:
        return None
    by_dataset = [list(by_variant(run for run in known if run.dataset == name).values()) for name in _datasets(known)]
    groups = [seeds for variants in by_dataset for seeds in variants]
    measured = [[errors(read_image(run.folder / "grids" / f"{GRID}.png")) for run in seeds] for seeds in groups]
    return Lesson(
        "unpaired",
        "Without pairs, the way there and back leads to the counterpart",
        all(translated < itself for found in measured for translated, itself in found),
        f"Mean error of the first held-out images' translations, and of the images themselves: "
        f"{'; '.join(_told(seeds, found) for seeds, found in zip(groups, measured, strict=True))} "
        f"({trained(groups[0])}).",
        tuple(of_grid(seeds[0], GRID, "given, translation, and counterpart") for seeds in groups),
    )


def errors(grid: np.ndarray) -> tuple[float, float]:
    """Mean absolute differences to the counterparts, 0..255, of translations and of the images themselves; grid (h, w,
    3) uint8, without borders."""
    side = grid.shape[1] // COLUMNS
    itself, translated, counterpart = (
        grid[:, column * side : (column + 1) * side].astype(np.float64) for column in range(COLUMNS)
    )
    return float(np.abs(translated - counterpart).mean()), float(np.abs(itself - counterpart).mean())


def _datasets(runs: Sequence[RunRecord]) -> list[str]:
    return list(dict.fromkeys(run.dataset for run in runs))


def _told(seeds: Seeds, found: list[tuple[float, float]]) -> str:
    translated, itself = zip(*found, strict=True)
    return f"{seeds[0].variant} on {seeds[0].dataset} {span(translated, '.1f')} and {span(itself, '.1f')}"
