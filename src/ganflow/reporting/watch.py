"""Trainings in MLflow while they go on: a process beside them reads their checkpoints, so that no training waits.

A server that is down is said once and tried again; what finishes is published; whatever ends the watcher, no run is
left running: it is marked as killed, and gone on with by the next watcher or by `publish`.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from ganflow.config import Experiment
from ganflow.errors import UserError
from ganflow.progress import log
from ganflow.reporting.models import header
from ganflow.reporting.publishing import ExperimentView, publish
from ganflow.reporting.run_entry import Unfinished
from ganflow.reporting.runs import RunRecord
from ganflow.reporting.tracking_store import TrackingStore

SECONDS = 3.0  # between two looks

Look = Callable[[], tuple[list[RunRecord], list[Unfinished]]]


def watch(experiment: Experiment, look: Look, store: TrackingStore) -> None:
    """Shows what `look` finds, the finished and the unfinished runs, until none is unfinished or it is interrupted."""
    total = len(experiment.runs)
    watcher, failing = Watcher(experiment, store), ""
    try:
        while True:
            try:
                runs, unfinished = look()
                watcher.show(runs, unfinished)
                if failing:
                    log(f"{store}: answers again")
                failing = ""
                if len(runs) == total:
                    return
            except (UserError, OSError) as error:
                if not failing:
                    log(f"{error} (tried again every {SECONDS:.0f} seconds)")
                failing = str(error)
            time.sleep(SECONDS)
    finally:
        with suppress(UserError):
            watcher.end()


class Watcher:
    """What MLflow was shown so far."""

    def __init__(self, experiment: Experiment, store: TrackingStore):
        self.experiment, self.store = experiment, store
        self.finished: dict[str, str] | None = None
        self.stages: dict[str, tuple[float, int, int]] = {}  # {fingerprint: (last iteration, grids, snapshots scored)}
        self.began = time.time()
        self.shows = False

    def show(self, runs: list[RunRecord], unfinished: list[Unfinished]) -> None:
        """Writes what is new since the last call; asks MLflow nothing if there is nothing new."""
        finished = {run.manifest["fingerprint"]: run.scored for run in runs}
        if finished != self.finished:
            followed = frozenset(run.manifest["fingerprint"] for run in unfinished)
            found = publish(self.experiment, runs, self.store, followed)
            if found.new:
                log(f"{self.store}: {found.new} runs published")
            self.finished = finished
        news = [run for run in unfinished if self.stages.get(run.manifest["fingerprint"]) != _stage(run)]
        if news:
            self.shows = True
            with FileLock(self.store.lock), self.store.client() as client:
                view = ExperimentView(client, self.store, self.experiment)
                view.read(finished)
                for run in news:
                    known = run.manifest["fingerprint"]
                    after, *_ = self.stages.get(known, (-1,))
                    view.advance(run, "RUNNING" if self._moves(run) else "SCHEDULED", after)
                    self.stages[known] = _stage(run)

    def _moves(self, run: Unfinished) -> bool:
        """Whether a training has gone on since this watcher began; if not, it may be one that was killed long ago."""
        return run.manifest["fingerprint"] in self.stages or run.samples[-1][1].stat().st_mtime >= self.began - 60

    def end(self) -> None:
        """Marks as killed what still stands as running."""
        if self.shows:
            with FileLock(self.store.lock), self.store.client() as client:
                view = ExperimentView(client, self.store, self.experiment)
                view.read(self.finished or {})
                view.end_abandoned(frozenset())


Checkpointed = tuple[dict[str, np.ndarray], list[tuple[int, Path]], dict[str, Any]]


def checkpointed(scratch: Path) -> Checkpointed:
    """Journal and sample grids of a training, and what its newest checkpoint says of it; empty before the first.

    Only the checkpoint's header is read, so that a large network costs nothing.
    """
    samples = [(int(path.stem), path) for path in sorted(scratch.glob("samples/*.png"))]
    for checkpoint in sorted(scratch.glob("*-*.safetensors"), reverse=True):
        with suppress(UserError, OSError):  # replaced by a newer one meanwhile, or damaged
            known = header(checkpoint)
            rows = known["journal"]
            journal = {column: np.array([row[column] for row in rows]) for column in (rows[0] if rows else ())}
            return journal, samples, known["about"]
    return {}, samples, {"metric_names": {}}


def _stage(run: Unfinished) -> tuple[float, int, int]:
    steps = run.journal.get("iteration", np.empty(0))
    scored = len(run.curve["iteration"]) if run.curve else 0
    return (float(steps[-1]) if len(steps) else -1.0), len(run.samples), scored
