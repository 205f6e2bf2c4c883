"""At once: two processes of one unit, two engines, eight publishers, and publishing while trainings go on."""

import hashlib
import json
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from served.programs import Done

from fault_injection.kills import DVC, SNAKEMAKE
from fault_injection.trials import DIFFERS, EQUAL, STUCK, TRACEBACK, Experiment, Trial, begin_anew, last_words
from fault_injection.units import Unit


def two_of_one_unit(experiment: Experiment, folder: Path, unit: Unit, delay: float) -> Iterator[Trial]:
    """Two processes of a unit, one some seconds after the other: each ends well, or is refused in a sentence."""
    begin_anew(folder, unit, keep_output=True)
    first = experiment.programs.start(folder, f"ganflow {unit.name}")
    time.sleep(delay)
    second = experiment.programs.start(folder, f"ganflow {unit.name}")
    ended = [first.end(), second.end()]
    yield _judged(experiment, folder, "two processes of one unit", unit.name, f"{delay} s apart", ended)


def two_engines(experiment: Experiment, folder: Path, rounds: int) -> Iterator[Trial]:
    """DVC and Snakemake at once, from nothing but the downloads; then DVC once more."""
    for number in range(rounds):
        for unit in experiment.units:
            if unit.stage != "download":
                begin_anew(folder, unit, keep_output=False)
        shutil.rmtree(folder / ".dvc/cache/runs", ignore_errors=True)
        started = []
        for engine in (DVC, SNAKEMAKE) if number % 2 else (SNAKEMAKE, DVC):
            started.append(experiment.programs.start(folder, engine.plain))
            time.sleep(number / 2)
        ended = [running.end(900) for running in started]
        after = experiment.programs.run(folder, DVC.plain)
        yield _judged(experiment, folder, "two engines", "the experiment", f"round {number}", [*ended, after], after)


def _judged(
    experiment: Experiment,
    folder: Path,
    attack: str,
    subject: str,
    at: str,
    ended: list[Done],
    after: Done | None = None,
) -> Trial:
    outcome, said = EQUAL, ended[-1]
    if trace := [done for done in ended if "Traceback" in done.said]:
        outcome, said = TRACEBACK, trace[0]
    elif all(done.code for done in ended) or (after and after.code):
        outcome = STUCK
    elif experiment.unequal(folder):
        outcome = DIFFERS
    if outcome != EQUAL:
        experiment.restore(folder)
    return Trial(attack, subject, at, outcome, last_words(said))


def publishers(experiment: Experiment, folder: Path, expected: str, count: int) -> Iterator[Trial]:
    """So many publishers at once on no database: each run is there once."""
    forget(folder)
    started = [experiment.programs.start(folder, "ganflow publish") for _ in range(count)]
    ended = [running.end(600) for running in started]
    yield published_trial(folder, expected, f"{count} publishers", "no database", ended)


def publish_while_training(experiment: Experiment, folder: Path, expected: str) -> Iterator[Trial]:
    """Publishing again and again while the trainings, and what follows, are made anew."""
    forget(folder)
    runs = [unit for unit in experiment.units if unit.stage in ("train", "generate", "evaluate")]
    for unit in runs:
        begin_anew(folder, unit, keep_output=False)
    ended = []
    for unit in runs:
        training = experiment.programs.start(folder, f"ganflow {unit.name}")
        ended.append(experiment.programs.run(folder, "ganflow publish"))
        ended.append(training.end())
    ended.append(experiment.programs.run(folder, "ganflow publish"))
    yield published_trial(folder, expected, "publish while training", "no run", ended)


def kill_publisher(experiment: Experiment, folder: Path, expected: str, at: list[int]) -> Iterator[Trial]:
    """A publisher dies at an event, on no database; then it is started again."""
    for number in at:
        forget(folder)
        killed = experiment.programs.run(folder, "ganflow publish", {"events": {"kill_at": number}})
        again = experiment.programs.run(folder, "ganflow publish") if killed.killed else killed
        yield published_trial(folder, expected, "kill: publish", f"event {number}", [again])


def published_trial(folder: Path, expected: str, attack: str, at: str, ended: list[Done]) -> Trial:
    outcome, said = EQUAL, ended[-1]
    for done in ended:
        if done.code:
            outcome, said = TRACEBACK if "Traceback" in done.said else STUCK, done
    if outcome == EQUAL and published(folder) != expected:
        outcome = DIFFERS
    return Trial(attack, "the finished runs", at, outcome, last_words(said))


def forget(folder: Path) -> None:
    """No database and no files of MLflow."""
    for file in folder.glob("mlflow.db*"):
        file.unlink()
    shutil.rmtree(folder / "mlartifacts", ignore_errors=True)


QUERIES = {  # rows of runs by name, without ids, times, places, and what was deleted
    "runs": "select r.name, r.status, r.lifecycle_stage from runs r",
    "params": "select r.name, p.key, p.value from params p join runs r using (run_uuid)",
    "metrics": "select r.name, m.key, m.step, m.value, m.is_nan from metrics m join runs r using (run_uuid) "
    "where m.key <> 'images_per_second'",
    "tags": "select r.name, t.key from tags t join runs r using (run_uuid)",
    "models": "select m.name, m.status from logged_models m where m.lifecycle_stage = 'active'",
    "inputs": "select r.name, i.source_type from inputs i join runs r on r.run_uuid = i.destination_id",
}
DELETED = "select model_id from logged_models where lifecycle_stage <> 'active'"


def published(folder: Path) -> str:
    """A digest of what MLflow would show; the files of a deleted model stay until `mlflow gc`."""
    with sqlite3.connect(folder / "mlflow.db") as database:
        found: dict[str, Any] = {name: sorted(map(repr, database.execute(query))) for name, query in QUERIES.items()}
        deleted = {model for (model,) in database.execute(DELETED)}
    files = sorted(
        (path.suffix, hashlib.sha256(path.read_bytes()).hexdigest() if path.suffix in (".png", ".safetensors") else "")
        for path in (folder / "mlartifacts").rglob("*")
        if path.is_file() and not deleted.intersection(path.parts)
    )
    return hashlib.sha256(json.dumps([found, files]).encode()).hexdigest()
