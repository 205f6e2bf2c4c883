"""The page's section on one dataset, with its figures and curves as separate files."""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ganflow.artifacts import write_file
from ganflow.config import Dataset
from ganflow.reporting.captions import CAPTIONS
from ganflow.reporting.charts import TITLES, Plot, by_variant, charts
from ganflow.reporting.figures import COLOURS, image_figure, plot_figure, progression_figure
from ganflow.reporting.lessons.interfaces import Lesson
from ganflow.reporting.literature import compared
from ganflow.reporting.literature_scores import literature_for
from ganflow.reporting.points import point_figures
from ganflow.reporting.runs import DivergedRun, RunRecord, TrainingRecord, parted
from ganflow.reporting.sample_grids import frames, frames_per_run, images_a_side, read_image
from ganflow.reporting.tables import Table
from ganflow.serialization import csv_text

POINT_FIGURES = {
    "surfaces": "Level sets of the critic",
    "evolution": "Generator and critic over training",
    "layers": "Gradients and weights of the critic",
}
POINTS = 600  # maximum per curve in the page; curves/*.csv are complete


@dataclass(frozen=True)
class Frame:
    """A run's samples after some iterations, as base64 of WebP."""

    iteration: int
    data: str


def section(
    folder: Path, dataset: Dataset, table: Table, runs: list[RunRecord | DivergedRun], total_runs: int
) -> dict[str, Any]:
    """Writes curves/<dataset>.csv and figures/<dataset>_*.png; returns the variables of the template.

    `runs`: those of the dataset; `total_runs`: all runs of the page.
    """
    name = table.dataset
    shown, (scored, _), points = [run for run in runs if run.samples], parted(runs), dataset.dimension is not None
    if any(run.journal for run in runs):
        write_file(folder / "curves" / f"{name}.csv", _curves(runs))
    if shown:
        write_file(folder / "figures" / f"{name}_samples.png", progression_figure(shown))
    firsts = [seeds[0] for seeds in by_variant(scored).values()]
    neighbours = [(run, run.neighbours) for run in firsts if run.neighbours]
    if neighbours:
        images = {f"{run.variant}, seed {run.seed}: {n.ranges}": read_image(n.image) for run, n in neighbours}
        write_file(folder / "figures" / f"{name}_neighbours.png", image_figure(images))
    return {
        "dataset": name,
        "table": table,
        "published": compared(literature_for(dataset), table.rows) if table.rows else [],
        "synthetic": dataset.source.name == "rendered",
        "samples": {v: [(run, _frames(run, total_runs)) for run in seeds] for v, seeds in by_variant(shown).items()},
        "points": points,
        "kind": "points" if points else "images",
        "side": images_a_side(shown[0]) if shown else 0,
        "charts": [_chart(folder, name, figure, plots) for figure, plots in charts(runs).items()],
        "neighbours": [
            {
                "variant": run.variant,
                "seed": run.seed,
                "distances": found.ranges,
                "data": _webp(Image.fromarray(read_image(found.image))),
            }
            for run, found in neighbours
        ],
        "figures": [
            *(
                write_figure(folder, name, figure, POINT_FIGURES[figure], CAPTIONS[figure], png)
                for figure, png in (point_figures(scored) if points and scored else {}).items()
            ),
            *(write_figure(folder, name, *grid) for grid in _grids(scored)),
        ],
    }


def _grids(runs: list[RunRecord]) -> Iterator[tuple[str, str, str, bytes]]:
    """(figure, title, caption, PNG) of the grids that the runs' methods declare, of the first seed of each variant."""
    firsts = {variant: seeds[0] for variant, seeds in by_variant(runs).items()}
    declared = {grid["name"]: grid for run in firsts.values() for grid in run.manifest["grids"]}
    for name, grid in declared.items():
        files = {variant: run.folder / "grids" / f"{name}.png" for variant, run in firsts.items()}
        shown = {f"{v}, seed {firsts[v].seed}": read_image(file) for v, file in files.items() if file.exists()}
        yield name, grid["title"], grid["caption"], image_figure(shown)


def write_figure(folder: Path, name: str, figure: str, title: str, caption: str, png: bytes) -> dict[str, str]:
    """Writes figures/<name>_<figure>.png; returns the template variables that show it."""
    write_file(folder / "figures" / f"{name}_{figure}.png", png)
    about = {"name": name, "figure": figure, "title": title, "caption": caption}
    return about | {"data": _webp(Image.open(io.BytesIO(png)))}


def lesson_variables(folder: Path, lesson: Lesson) -> dict[str, Any]:
    """Writes figures/lesson_<name>_<picture>.png; returns the variables of the template that show a lesson."""
    pictures = [
        write_figure(folder, "lesson", f"{lesson.name}_{picture.name}", lesson.title, picture.words, picture.png)
        | {"narrow": picture.narrow}
        for picture in lesson.pictures
    ]
    about = {"name": lesson.name, "title": lesson.title, "shown": lesson.shown, "sentence": lesson.sentence}
    return about | {"pictures": pictures, "wide": sum(picture.narrow for picture in lesson.pictures) > 2}


def _chart(folder: Path, name: str, figure: str, plots: list[Plot]) -> dict[str, Any]:
    picture = write_figure(folder, name, figure, TITLES[figure], CAPTIONS[figure], plot_figure(plots))
    return picture | {"plots": [_data(plot) for plot in plots]}


def _frames(run: TrainingRecord, runs: int) -> list[Frame]:
    shown = frames(run, frames_per_run(runs))
    return [Frame(iteration, _webp(Image.fromarray(pixels))) for iteration, pixels in shown]


def _webp(picture: Image.Image) -> str:
    """An image as base64 of WebP, about a fifth of the size of a PNG."""
    small = io.BytesIO()
    picture.convert("RGB").save(small, "WEBP", quality=78, method=4)
    return base64.b64encode(small.getvalue()).decode()


def _data(plot: Plot) -> dict[str, Any]:
    """A plot as JSON for the page's charts: every k-th row, at most POINTS; non-finite values are gaps."""
    series = []
    for line in plot.series:
        rows = slice(None, None, -(-len(line.iterations) // POINTS))
        values = {"x": line.iterations, "y": line.mean}
        if line.deviation is not None:
            values["deviation"] = line.deviation
        numbers = {
            key: [float(f"{number:.6g}") if np.isfinite(number) else None for number in column[rows]]
            for key, column in values.items()
        }
        about = {"label": line.label, "colour": line.colour % len(COLOURS), "dotted": line.dotted}
        series.append(about | numbers | ({"diverged": True} if line.diverged else {}))
    return {"title": plot.title, "label": plot.label, "level": plot.level, "series": series}


def _curves(runs: list[RunRecord | DivergedRun]) -> str:
    """The journals of one dataset as CSV in long form: run, iteration and all journal columns."""
    columns = sorted({column for run in runs for column in run.journal} - {"iteration"})
    own = {run.name: run.manifest["held_out_loss"] for run in runs}  # `held_out_loss` is specific to each method
    rows: list[list[Any]] = []
    for run in runs:
        ended = f", diverged at {run.divergence.iteration}" if isinstance(run, DivergedRun) else ""
        for index, iteration in enumerate(run.journal.get("iteration", ())):
            values = [float(run.journal[column][index]) if column in run.journal else "" for column in columns]
            loss = float(run.journal[own[run.name]][index])
            rows.append([f"{run.variant} {run.seed}{ended}", int(iteration), loss, *values])
    return csv_text(["run", "iteration", "held_out_loss", *columns], rows)
