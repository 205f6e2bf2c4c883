"""The scores that the README shows: taken from the finished experiment into a file that names the digests of the
artifacts they are in, and drawn as a table from there."""

from pathlib import Path
from typing import Any

from ganflow.artifacts import read_json, write_json
from ganflow.config import Experiment
from ganflow.errors import UserError
from ganflow.stages.dvc_lock import dvc_digest, recorded_by_dvc
from ganflow.stages.graph import STAGES

FILE = Path("docs/published-scores.json")
CHECKS = {"held_out": "held-out real samples", "blurred": "blurred ones"}
COLUMNS = {  # by what a score's name begins with: its title and how it is written
    "frechet_distance": ("Fréchet distance", "{:.0f}"),
    "sliced_wasserstein": ("sliced Wasserstein", "{:.1f}"),
    "near_duplicates": ("near-duplicates", "{:.1%}"),
}


def take(experiment: Experiment) -> None:
    """Writes docs/published-scores.json from score.json of every run; raises UserError for one that is not finished, or
    not what dvc.lock records."""
    recorded = recorded_by_dvc()
    runs, checks = {}, {}
    for run in experiment.runs:
        axes = run.dataset, run.variant, str(run.seed)
        folder = STAGES["evaluate"].folder(experiment.experiment, *axes)
        if not folder.is_dir() or dvc_digest(folder) != recorded.get(folder.as_posix()):
            raise UserError(f"{folder}: not what dvc.lock records, or not there; run `dvc repro`")
        found = read_json(folder / "score.json")
        about = {"path": folder.as_posix(), "md5": recorded[folder.as_posix()]}
        runs["/".join(axes)] = about | {"samples": found["protocol"]["images"], "scores": _shown(found["scores"])}
        checks[run.dataset] = {
            name: {"samples": check["samples"], "scores": _shown(check["scores"])}
            for name, check in found["checks"].items()
            if name in CHECKS
        }
    write_json(FILE, {"experiment": experiment.experiment, "runs": runs, "checks": checks})


def table() -> str:
    """Markdown: a line for each variant, then for the real samples and for degraded ones; a column for each score and
    dataset."""
    if not FILE.is_file():
        raise UserError(f"{FILE}: missing; run `ganflow schema --scores` once the experiment is finished")
    about = read_json(FILE)
    datasets = list(about["checks"])
    columns = [(begin, dataset) for begin in COLUMNS for dataset in datasets]
    heads = [f"{COLUMNS[begin][0]}, {dataset.replace('_', ' ')}" for begin, dataset in columns]
    rows = [["variant", "seed", *heads], ["---", "---:", *["---:"] * len(heads)]]
    for variant, seed in dict.fromkeys(tuple(run.split("/")[1:]) for run in about["runs"]):
        by_dataset = {dataset: about["runs"].get(f"{dataset}/{variant}/{seed}") for dataset in datasets}
        rows.append([variant, seed, *_cells(columns, by_dataset)])
    for name, title in CHECKS.items():
        rows.append([title, "", *_cells(columns, {key: checks.get(name) for key, checks in about["checks"].items()})])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _shown(scores: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in scores.items() if name.startswith(tuple(COLUMNS))}


def _cells(columns: list[tuple[str, str]], by_dataset: dict[str, dict[str, Any] | None]) -> list[str]:
    """The score of each column; empty where there is none."""
    cells = []
    for begin, dataset in columns:
        scores = (by_dataset[dataset] or {"scores": {}})["scores"]
        found = [value for name, value in scores.items() if name.startswith(begin)]
        cells.append(COLUMNS[begin][1].format(found[0]) if found else "")
    return cells
