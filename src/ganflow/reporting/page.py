"""The report: one self-contained page with the scores first, and the figures and tables it shows as files beside it.

Equal runs give equal bytes: nothing of the clock, the machine or the place is in it. The page asks for nothing over the
network and shows in light and dark, on a wide screen and a phone.
"""

import base64
import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from ganflow.artifacts import write_file, write_json
from ganflow.config import Experiment
from ganflow.reporting import figures, strips, tables
from ganflow.reporting.runs import RunRecord


def write_report(
    experiment: Experiment, runs: list[RunRecord], folder: Path, real: Mapping[str, np.ndarray] | None = None
) -> None:
    """Fills `folder` with index.html, scores.csv, metrics.json, figures/*.png and curves/<dataset>.csv.

    `real` may hold some held-out images of a dataset, uint8 (n, H, W, 3), to be shown beside the generated ones.
    Raises UserError that names a sample grid that can't be read.
    """
    rows = tables.score_rows(runs)
    pictures: dict[str, bytes] = {}
    palette = figures.colours(runs)
    sections = [
        _section(experiment, dataset, members, palette, (real or {}).get(dataset), pictures)
        for dataset, members in tables.grouped(runs, "dataset").items()
    ]
    for name, content in pictures.items():
        write_file(folder / "figures" / name, content)
    for dataset, members in tables.grouped(runs, "dataset").items():
        write_file(folder / "curves" / f"{dataset}.csv", curves_csv(members))
    write_file(folder / "scores.csv", tables.scores_csv(rows))
    write_json(folder / "metrics.json", tables.metrics(rows))
    page = _environment(pictures).get_template("page.html.j2")
    text = page.render(
        experiment=experiment,
        names=tables.score_names(runs),
        tables=tables.grouped(rows, "dataset"),
        protocols=protocols(runs),
        sections=sections,
        palette=palette,
        runs=runs,
    )
    write_file(folder / "index.html", text)


def _section(
    experiment: Experiment,
    dataset: str,
    runs: list[RunRecord],
    palette: dict[str, str],
    real: np.ndarray | None,
    pictures: dict[str, bytes],
) -> dict[str, Any]:
    """What the page shows of one dataset; its pictures are added to `pictures` by file name."""

    def keep(name: str, content: bytes) -> str:
        pictures[f"{dataset}-{name}.png"] = content
        return f"{dataset}-{name}.png"

    resolution = experiment.datasets[dataset].resolution
    grids = {
        variant: [
            (iteration, keep(f"samples-{variant}-{iteration:09d}", picture))
            for iteration, picture in strips.frame_pictures(seeds[0], resolution)
        ]
        for variant, seeds in tables.grouped(runs, "variant").items()
    }
    return {
        "dataset": dataset,
        "resolution": resolution,
        "seeds": len({run.seed for run in runs}),
        "first_seed": runs[0].seed,
        "real": None if real is None else keep("real", strips.real_picture(real)),
        "grids": grids,
        "score": keep("scores", figures.score_figure(runs, palette)),
        "estimate": keep("estimate", figures.estimate_figure(runs, palette)),
        "axes": figures.estimate_axes(runs),
        "loss": keep("critic-loss", figures.loss_figure(runs, palette)),
        "estimate_names": {run.estimate_name for run in runs},
    }


def curves_csv(runs: list[RunRecord]) -> str:
    """One dataset's journals in long form: run, iteration and every column that some journal has, at full precision."""
    columns = list(dict.fromkeys(column for run in runs for column in run.journal))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", *columns])
    for run in runs:
        lists = {name: [repr(value) for value in values.tolist()] for name, values in run.journal.items()}
        for place in range(len(run.journal["iteration"])):
            writer.writerow(
                [f"{run.variant} {run.seed}", *(lists[name][place] if name in lists else "" for name in columns)]
            )
    return text.getvalue()


def protocols(runs: list[RunRecord]) -> list[tuple[dict[str, Any], dict[str, dict[str, Any]], list[str]]]:
    """Every protocol in use: what holds for all its scores, the settings of each score, and the datasets it covers."""
    found: dict[str, tuple[dict[str, Any], dict[str, dict[str, Any]], list[str]]] = {}
    for run in runs:
        protocol, scores = run.score["protocol"], run.score["scores"]
        common = {key: value for key, value in protocol.items() if key not in scores}
        own = {name: protocol.get(name, {}) for name in scores}
        entry = found.setdefault(json.dumps(protocol, sort_keys=True), (common, own, []))
        if run.dataset not in entry[2]:
            entry[2].append(run.dataset)
    return list(found.values())


def flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping as {"outer.inner": value}; an empty one keeps its place as {}."""
    result: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping) and value:
            result |= flat(value, f"{prefix}{key}.")
        else:
            result[f"{prefix}{key}"] = value
    return result


def _environment(pictures: dict[str, bytes]) -> Environment:
    environment = Environment(
        loader=PackageLoader("ganflow.reporting", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "embedded": lambda name: f"data:image/png;base64,{base64.b64encode(pictures[name]).decode()}",
        "flat": flat,
        "thousands": lambda value: f"{value:,}",
        "plain": lambda value: value if isinstance(value, str) else json.dumps(value),
    }
    return environment
