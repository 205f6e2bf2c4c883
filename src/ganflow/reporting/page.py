"""The report: one self-contained page over all runs, with the figures, tables and curves it shows as files beside it.

It holds no clock, host or path: equal runs give equal bytes.
"""

import base64
import csv
import io
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from PIL import Image

from ganflow.artifacts import write_file, write_json
from ganflow.config import Experiment
from ganflow.reporting.figures import estimate_figure, loss_figure, strip_figure
from ganflow.reporting.runs import RunRecord, flat
from ganflow.reporting.tables import as_csv, as_metrics, floors, score_rows
from ganflow.reporting.template import PAGE

FIGURES = {
    "samples": (
        strip_figure,
        "Samples from the same latent vectors, from the first iteration (left) to the last (right).",
    ),
    "losses": (
        loss_figure,
        "The critic's loss, which it minimises, without any penalty. Wasserstein: E f(fake) − E f(real). "
        "Non-saturating: −E log D(real) − E log(1 − D(fake)). Solid: mean over the updates since the row before; "
        "dotted: held-out images, networks in evaluation mode. A gap between the two is overfitting.",
    ),
    "estimates": (
        estimate_figure,
        "What the critics estimate on held-out images. Wasserstein: E f(real) − E f(fake). A clipped critic "
        "estimates K times the distance with K unknown, so its curve has an axis of its own and is compared with "
        "no other. "
        "Jensen-Shannon (with the half: log 2 when disjoint): log 2 − loss / 2, a lower bound.",
    ),
}


def write_report(experiment: Experiment, runs: list[RunRecord], folder: Path) -> None:
    """Fills `folder` with index.html, figures/*.png, curves/*.csv, scores.csv and metrics.json."""
    rows, floor = score_rows(runs), floors(runs)
    write_file(folder / "scores.csv", as_csv(rows, floor))
    write_json(folder / "metrics.json", as_metrics(rows))
    sections = []
    for dataset in experiment.datasets:
        chosen = [run for run in runs if run.dataset == dataset]
        write_file(folder / "curves" / f"{dataset}.csv", _curves(chosen))
        figures = []
        for name, (draw, caption) in FIGURES.items():
            picture = draw(chosen)
            write_file(folder / "figures" / f"{dataset}_{name}.png", picture)
            figures.append({"name": name, "caption": caption, "data": _embedded(picture)})
        dataset_rows = [row for row in rows if row.dataset == dataset]
        sections.append({"dataset": dataset, "rows": dataset_rows, "floor": floor[dataset], "figures": figures})
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(PAGE).render(
        experiment=experiment,
        sections=sections,
        protocol=_protocol(runs),
        runs=[(run, flat(run.manifest["parameters"])) for run in runs],
        versions=runs[0].manifest["versions"],
    )
    write_file(folder / "index.html", page + "\n")


def _protocol(runs: list[RunRecord]) -> dict[str, str]:
    """The protocol of all scores; where runs differ, every value that there is."""
    protocols = [flat(run.score["protocol"]) for run in runs]
    values = {key: [str(protocol[key]) for protocol in protocols if key in protocol] for key in flat(protocols[0])}
    return {key: " or ".join(dict.fromkeys(found)) for key, found in values.items()}


def _embedded(picture: bytes) -> str:
    """A PNG as base64 of WebP, a fifth of its size where it shows samples; the PNG itself lies beside the page."""
    small = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as opened:
        opened.convert("RGB").save(small, "WEBP", quality=90, method=4)
    return base64.b64encode(small.getvalue()).decode()


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
