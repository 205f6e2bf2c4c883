"""What the page shows of one dataset, with its figures and curves as files beside the page."""

import base64
import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ganflow.artifacts import write_file
from ganflow.config import Dataset
from ganflow.reporting.captions import CAPTIONS
from ganflow.reporting.figures import COLOURS, panel_figure, strip_figure
from ganflow.reporting.neighbours import distances, neighbour_figure, with_neighbours
from ganflow.reporting.panels import Panel, by_variant, estimate_panels, loss_panels, score_panels
from ganflow.reporting.points import point_figures
from ganflow.reporting.published import compared
from ganflow.reporting.published_numbers import published_for
from ganflow.reporting.runs import RunRecord
from ganflow.reporting.strips import film_length, images_a_side, open_picture, pictures
from ganflow.reporting.tables import Table

CHARTS = {"scores": score_panels, "estimates": estimate_panels, "losses": loss_panels}
POINTS = 600  # of a curve in the page; curves/*.csv hold them all


@dataclass(frozen=True)
class Frame:
    """A run's samples after some iterations, as base64 of WebP."""

    iteration: int
    data: str


def section(folder: Path, dataset: Dataset, table: Table, runs: list[RunRecord], films_of: int) -> dict[str, Any]:
    """Writes curves/<dataset>.csv and figures/<dataset>_*.png, and gives what the template needs.

    `runs` are those of the dataset; the page holds films of so many runs in all.
    """
    name = table.dataset
    write_file(folder / "curves" / f"{name}.csv", _curves(runs))
    write_file(folder / "figures" / f"{name}_samples.png", strip_figure(runs))
    drawn = point_figures(runs) if runs[0].points else {}
    neighbours = with_neighbours(runs)
    if neighbours:
        write_file(folder / "figures" / f"{name}_neighbours.png", neighbour_figure(neighbours))
    return {
        "dataset": name,
        "table": table,
        "published": compared(published_for(dataset), table.rows),
        "drawn": dataset.source.name == "rendered",
        "films": {v: [(run, _film(run, films_of)) for run in seeds] for v, seeds in by_variant(runs).items()},
        "points": runs[0].points,
        "things": "points" if runs[0].points else "images",
        "side": images_a_side(runs[0]),
        "charts": [
            _chart(folder, name, kind, panels_of(runs)) for kind, panels_of in CHARTS.items() if panels_of(runs)
        ],
        "neighbours": [
            {
                "variant": variant,
                "seed": run.seed,
                "distances": distances(run.neighbours),
                "data": _webp(Image.fromarray(open_picture(run.neighbours.picture))),
            }
            for variant, run in neighbours.items()
        ],
        "stills": [still(folder, name, figure, CAPTIONS[figure], made) for figure, made in drawn.items()],
    }


def still(folder: Path, name: str, figure: str, caption: str, picture: bytes) -> dict[str, str]:
    """Writes figures/<name>_<figure>.png, and gives what the page shows of it."""
    write_file(folder / "figures" / f"{name}_{figure}.png", picture)
    return {"name": name, "figure": figure, "caption": caption, "data": _webp(Image.open(io.BytesIO(picture)))}


def _chart(folder: Path, name: str, kind: str, panels: list[Panel]) -> dict[str, Any]:
    picture = still(folder, name, kind, CAPTIONS[kind], panel_figure(panels))
    return picture | {"panels": [_data(panel) for panel in panels]}


def _film(run: RunRecord, runs: int) -> list[Frame]:
    frames = pictures(run, film_length(runs))
    return [Frame(iteration, _webp(Image.fromarray(pixels))) for iteration, pixels in frames]


def _webp(picture: Image.Image) -> str:
    """A picture as base64 of WebP, a fifth of a PNG's size where it shows samples; PNGs lie beside the page."""
    small = io.BytesIO()
    picture.convert("RGB").save(small, "WEBP", quality=78, method=4)
    return base64.b64encode(small.getvalue()).decode()


def _data(panel: Panel) -> dict[str, Any]:
    """A panel as JSON for the page's charts: at most POINTS rows, every k-th; a number that is not finite is a gap."""
    series = []
    for line in panel.series:
        rows = slice(None, None, -(-len(line.iterations) // POINTS))
        values = {"x": line.iterations, "y": line.mean}
        if line.deviation is not None:
            values["deviation"] = line.deviation
        numbers = {
            key: [float(f"{number:.6g}") if np.isfinite(number) else None for number in column[rows]]
            for key, column in values.items()
        }
        series.append({"label": line.label, "colour": line.colour % len(COLOURS), "dotted": line.held_out, **numbers})
    return {"title": panel.title, "label": panel.label, "level": panel.level, "series": series}


def _curves(runs: list[RunRecord]) -> str:
    """The journals of one dataset in long form: run, iteration, and every column that a journal has."""
    columns = sorted({column for run in runs for column in run.journal} - {"iteration"})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", "iteration", *columns])
    for run in runs:
        for index, iteration in enumerate(run.journal["iteration"]):
            values = [float(run.journal[column][index]) if column in run.journal else "" for column in columns]
            writer.writerow([f"{run.variant} {run.seed}", int(iteration), *values])
    return text.getvalue()
