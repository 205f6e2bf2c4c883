"""The report: one self-contained page over all runs, with the figures, tables and curves it shows as files beside it.

It holds no clock, host or path: equal runs give equal bytes.
"""

import base64
import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from PIL import Image

from ganflow.artifacts import write_file, write_json
from ganflow.config import Experiment
from ganflow.reporting.figures import COLOURS, panel_figure, strip_figure
from ganflow.reporting.findings import Findings, study_figure
from ganflow.reporting.panels import CAPTIONS, Panel, by_variant, estimate_panels, loss_panels
from ganflow.reporting.points import point_figures
from ganflow.reporting.runs import RunRecord, flat, spoken
from ganflow.reporting.script import SCRIPT
from ganflow.reporting.strips import film_length, images_a_side, pictures
from ganflow.reporting.style import STYLE
from ganflow.reporting.tables import as_csv, as_metrics, claim_columns, floors, rounded, score_rows
from ganflow.reporting.template import PAGE

NO_STUDIES: Mapping[str, Findings] = {}
CHARTS = {"estimates": estimate_panels, "losses": loss_panels}
POINTS = 600  # of a curve in the page; curves/*.csv hold them all


@dataclass(frozen=True)
class Frame:
    """A run's samples after some iterations, as base64 of WebP."""

    iteration: int
    data: str


def write_report(
    experiment: Experiment, runs: list[RunRecord], folder: Path, studies: Mapping[str, Findings] = NO_STUDIES
) -> None:
    """Fills `folder` with index.html, figures/*.png, curves/*.csv, scores.csv and metrics.json."""
    rows = score_rows(runs)
    write_file(folder / "scores.csv", as_csv(rows, floors(runs)))
    write_json(folder / "metrics.json", as_metrics(rows))
    sections = []
    for dataset in experiment.datasets:
        chosen = [run for run in runs if run.dataset == dataset]
        write_file(folder / "curves" / f"{dataset}.csv", _curves(chosen))
        write_file(folder / "figures" / f"{dataset}_samples.png", strip_figure(chosen))
        charts = []
        for name, panels_of in CHARTS.items():
            panels = panels_of(chosen)
            picture = panel_figure(panels)
            write_file(folder / "figures" / f"{dataset}_{name}.png", picture)
            still = _webp(Image.open(io.BytesIO(picture)))
            charts.append({"name": name, "panels": [_data(panel) for panel in panels], "still": still})
        films = {v: [(run, _film(run, len(runs))) for run in seeds] for v, seeds in by_variant(chosen).items()}
        drawn = point_figures(chosen) if chosen[0].points else {}
        sections.append(
            {
                "dataset": dataset,
                "films": films,
                "points": chosen[0].points,
                "side": images_a_side(chosen[0]),
                "charts": charts,
                "stills": [_still(folder, dataset, name, CAPTIONS[name], made) for name, made in drawn.items()],
            }
        )
    findings = [_still(folder, name, "study", found["caption"], study_figure(found)) for name, found in studies.items()]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(PAGE).render(
        experiment=experiment,
        columns=claim_columns(runs),
        rows=by_variant(runs),
        sections=sections,
        studies=findings,
        captions=CAPTIONS,
        columns_of=_films_a_row,
        rounded=rounded,
        spoken=spoken,
        colours=len(COLOURS),
        protocol=_protocol(runs),
        runs=[(run, flat(run.manifest["parameters"])) for run in runs],
        versions=runs[0].manifest["versions"],
        style=STYLE,
        script=SCRIPT,
    )
    write_file(folder / "index.html", page + "\n")


def _protocol(runs: list[RunRecord]) -> dict[str, str]:
    """The protocol of all scores; where runs differ, every value that there is."""
    protocols = [flat(run.score["protocol"]) for run in runs]
    values = {key: [str(protocol[key]) for protocol in protocols if key in protocol] for key in flat(protocols[0])}
    return {key: " or ".join(dict.fromkeys(found)) for key, found in values.items()}


def _still(folder: Path, name: str, figure: str, caption: str, picture: bytes) -> dict[str, str]:
    """Writes figures/<name>_<figure>.png, and gives what the page shows of it."""
    write_file(folder / "figures" / f"{name}_{figure}.png", picture)
    return {"name": name, "figure": figure, "caption": caption, "data": _webp(Image.open(io.BytesIO(picture)))}


def _films_a_row(variants: int) -> int:
    """How many variants stand side by side on a wide screen: all of up to six, else rows of equal length."""
    return -(-variants // -(-variants // 6))


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
