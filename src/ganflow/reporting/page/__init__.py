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
from ganflow.reporting.claims import RULE, Claim, beyond, claims_of, doubts_of
from ganflow.reporting.figures import COLOURS
from ganflow.reporting.lessons import lessons_of
from ganflow.reporting.runs import DivergedRun, RunRecord, flat, in_words, parted
from ganflow.reporting.scores import STD
from ganflow.reporting.sections import lesson_variables, section, write_figure
from ganflow.reporting.study_figures import Findings, study_figure
from ganflow.reporting.tables import Table, as_csv, as_metrics, rounded, score_tables

NO_STUDIES: Mapping[str, Findings] = {}


def write_report(
    experiment: Experiment,
    runs: list[RunRecord | DivergedRun],
    folder: Path,
    studies: Mapping[str, Findings] = NO_STUDIES,
) -> None:
    """Fills `folder` with index.html, figures/*.png, curves/*.csv, scores.csv and metrics.json. A variant of which a
    training diverged is in no lesson."""
    scored, diverged = parted(runs)
    ended = {(run.dataset, run.variant) for run in diverged}
    whole = [run for run in scored if (run.dataset, run.variant) not in ended]
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
    lessons = [lesson_variables(folder, lesson) for lesson in lessons_of(whole, studies)]
    held, doubtful = _headlines(tables)
    environment = Environment(
        loader=PackageLoader("ganflow.reporting.page", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html.jinja").render(
        experiment=experiment,
        lessons=lessons,
        diverged=diverged,
        held=held,
        doubtful=doubtful,
        claims_of=claims_of,
        doubts_of=doubts_of,
        beyond=beyond,
        rule=RULE,
        variants=list(by_variant(runs)),
        sections=sections,
        studies=findings,
        neighbours_caption=CAPTIONS["neighbours"],
        columns_of=_columns,
        rounded=rounded,
        std=STD,
        in_words=in_words,
        colours=len(COLOURS),
        protocol=_protocol(scored),
        runs=[(run, flat(run.manifest["parameters"])) for run in runs],
        scored=_scored,
        versions=runs[0].manifest["versions"],
        style=files(__name__).joinpath("page.css").read_text(encoding="utf-8"),
        script=files(__name__).joinpath("page.js").read_text(encoding="utf-8"),
    )
    write_file(folder / "index.html", page + "\n")


def _headlines(tables: list[Table]) -> tuple[dict[str, list[tuple[str, Claim]]], dict[tuple[str, str], list[str]]]:
    """What the first score of each dataset lets one say: {"Lowest <score>": (dataset, claim) where one holds}, and
    {(score, doubts): datasets} where no order can be claimed."""
    held: dict[str, list[tuple[str, Claim]]] = {}
    doubtful: dict[tuple[str, str], list[str]] = {}
    for table in tables:
        if not table.rows:
            continue
        found = claims_of(table)[0]
        if found.best:
            held.setdefault(found.score.extreme, []).append((table.dataset, found))
        else:
            doubtful.setdefault((found.score.whole, "; ".join(found.doubts)), []).append(table.dataset)
    return held, doubtful


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
