"""The scores that the README shows: taken from the finished experiment into a file that names the digests of the
artifacts they are in, and drawn as a table from there."""

from pathlib import Path
from typing import Annotated

from pydantic import StringConstraints

from ganflow.artifacts import read_model, write_json
from ganflow.config import Experiment, Model
from ganflow.errors import UserError
from ganflow.evaluation.records import Check, Score, Scores
from ganflow.stages.dvc_lock import dvc_digest, recorded_by_dvc
from ganflow.stages.graph import STAGES
from ganflow.training.divergence import refuse_diverged

FILE = Path("docs/published-scores.json")
CHECKS = {"held_out": "held-out real samples", "blurred": "blurred ones"}
COLUMNS = {  # by what a score's name begins with: its title and how it is written
    "frechet_distance": ("Fréchet distance", "{:.4g}"),
    "sliced_wasserstein": ("sliced Wasserstein", "{:.1f}"),
    "near_duplicates": ("near-duplicates", "{:.1%}"),
    "exact_em": ("exact EM", "{:.3f}"),
    "missed_modes": ("missed modes", "{:.0f}"),
}


class PublishedScores(Model):
    """The scores of a run, and the folder that they are in, with DVC's digest."""

    path: str
    md5: str
    samples: int
    scores: Scores


class Published(Model):
    """docs/published-scores.json, by dataset/variant/seed and by dataset and check."""

    experiment: str
    runs: dict[Annotated[str, StringConstraints(pattern=r"^[^/]+/[^/]+/[^/]+$")], PublishedScores]
    checks: dict[str, dict[str, Check]]


def take(experiment: Experiment) -> None:
    """Writes docs/published-scores.json from score.json of every run; raises UserError for one that is not finished,
    diverged, or is not what dvc.lock records."""
    recorded = recorded_by_dvc()
    runs, checks = {}, {}
    for run in experiment.runs:
        axes = run.dataset, run.variant, str(run.seed)
        folder = STAGES["evaluate"].folder(experiment.experiment, *axes)
        if not folder.is_dir() or dvc_digest(folder) != recorded.get(folder.as_posix()):
            raise UserError(f"{folder}: not what dvc.lock records, or not there; run `dvc repro`")
        refuse_diverged(folder)
        found = read_model(Score, folder / "score.json")
        about = {"path": folder.as_posix(), "md5": recorded[folder.as_posix()]}
        runs["/".join(axes)] = about | {"samples": found["protocol"]["images"], "scores": _shown(found["scores"])}
        checks[run.dataset] = {
            name: {"samples": check["samples"], "scores": _shown(check["scores"])}
            for name, check in found["checks"].items()
            if name in CHECKS
        }
    write_json(FILE, {"experiment": experiment.experiment, "runs": runs, "checks": checks})


def table() -> str:
    """Markdown: for each dataset a line for each variant, one for real samples and one for degraded ones."""
    if not FILE.is_file():
        raise UserError(f"{FILE}: missing; run `ganflow schema --scores` once the experiment is finished")
    about = read_model(Published, FILE, "run `ganflow schema --scores` once the experiment is finished")
    heads = ["dataset", "variant", "seed", *(title for title, _ in COLUMNS.values())]
    rows = [heads, ["---", "---", *["---:"] * (len(COLUMNS) + 1)]]
    for dataset, checks in about["checks"].items():
        for run, found in about["runs"].items():
            of, variant, seed = run.split("/")
            if of == dataset:
                rows.append([of.replace("_", " "), variant, seed, *_cells(found["scores"])])
        rows += [["", title, "", *_cells(checks[name]["scores"])] for name, title in CHECKS.items() if name in checks]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _shown(scores: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in scores.items() if name.startswith(tuple(COLUMNS))}


def _cells(scores: dict[str, float]) -> list[str]:
    """The score of each column; empty where there is none."""
    found = [[value for name, value in scores.items() if name.startswith(begin)] for begin in COLUMNS]
    return [form.format(*values) if values else "" for values, (_, form) in zip(found, COLUMNS.values(), strict=True)]
