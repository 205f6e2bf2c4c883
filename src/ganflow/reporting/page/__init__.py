"""The report: one self-contained page about all runs, and its figures, tables and curves as files.

It contains no time, host or path, so equal runs give equal bytes. Its templates, style and script are files of this
package, which are part of the report's digest.
"""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ganflow.artifacts import write_file, write_json
from ganflow.config import Experiment
from ganflow.reporting.captions import CAPTIONS
from ganflow.reporting.charts import by_variant
from ganflow.reporting.figures import COLOURS
from ganflow.reporting.runs import RunRecord, flat, in_words
from ganflow.reporting.scores import STD
from ganflow.reporting.sections import section, write_figure
from ganflow.reporting.study_figures import Findings, study_figure
from ganflow.reporting.tables import Cell, Row, Table, as_csv, as_metrics, rounded, score_tables

NO_STUDIES: Mapping[str, Findings] = {}


def write_report(
    experiment: Experiment, runs: list[RunRecord], folder: Path, studies: Mapping[str, Findings] = NO_STUDIES
) -> None:
    """Fills `folder` with index.html, figures/*.png, curves/*.csv, scores.csv and metrics.json."""
    tables = score_tables(runs)
    write_file(folder / "scores.csv", as_csv(tables))
    write_json(folder / "metrics.json", as_metrics(tables))
    sections = []
    for table in tables:
        chosen = [run for run in runs if run.dataset == table.dataset]
        sections.append(section(folder, experiment.datasets[table.dataset], table, chosen, len(runs)))
    findings = [
        write_figure(folder, name, "study", in_words(name), found["caption"], study_figure(found))
        for name, found in studies.items()
    ]
    environment = Environment(
        loader=PackageLoader("ganflow.reporting.page", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html.jinja").render(
        experiment=experiment,
        headlines=_headlines(tables),
        variants=list(by_variant(runs)),
        sections=sections,
        studies=findings,
        neighbours_caption=CAPTIONS["neighbours"],
        columns_of=_columns,
        rounded=rounded,
        std=STD,
        in_words=in_words,
        colours=len(COLOURS),
        protocol=_protocol(runs),
        runs=[(run, _scored(run), flat(run.manifest["parameters"])) for run in runs],
        versions=runs[0].manifest["versions"],
        style=files(__name__).joinpath("page.css").read_text(encoding="utf-8"),
        script=files(__name__).joinpath("page.js").read_text(encoding="utf-8"),
    )
    write_file(folder / "index.html", page + "\n")


def _headlines(tables: list[Table]) -> dict[str, list[tuple[Row, Cell]]]:
    """{"Lowest <score>": the best variant of each dataset with this as its first score, and its score}."""
    headlines: dict[str, list[tuple[Row, Cell]]] = {}
    for table in tables:
        score = table.scores[0]
        whose, row = f" by {score.extractor}" if score.extractor else "", table.best(score)
        extreme = "Lowest" if score.better == "lower" else "Highest"
        headlines.setdefault(f"{extreme} {score.words}{whose}", []).append((row, row.cells[score.name]))
    return headlines


def _protocol(runs: list[RunRecord]) -> dict[str, str]:
    """The protocol of all scores, with every value where runs differ."""
    protocols = [_flat_protocol(run) for run in runs]
    values: dict[str, list[str]] = {"runs of each variant": [str(len({run.seed for run in runs}))]}
    for protocol in protocols:
        for key, value in protocol.items():
            values.setdefault(key, []).append("none" if value is None else str(value))
    return {key: " or ".join(dict.fromkeys(found)) for key, found in values.items()}


def _flat_protocol(run: RunRecord) -> dict[str, Any]:
    protocol = run.score["protocol"]
    return flat(protocol | {"metrics": {name: has or "no settings" for name, has in protocol["metrics"].items()}})


def _scored(run: RunRecord) -> dict[str, str]:
    """All scores of a run's final and best weights, with standard deviations over parts of the set."""
    best = run.score["best"]
    sets = {"": run.score["scores"]} | ({f", best at {best['iteration']}": best["scores"]} if best else {})
    return {
        f"{name}{of}": f"{scores[name]}" + (f" ± {scores[name + STD]}" if name + STD in scores else "")
        for of, scores in sets.items()
        for name in run.score["better"]
    }


def _columns(variants: int) -> int:
    """Variants per row on a wide screen: all of up to six, else balanced rows."""
    return -(-variants // -(-variants // 6))
