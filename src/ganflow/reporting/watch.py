"""Publishes trainings in progress to MLflow, by reading their checkpoints from a separate process.

An unreachable server is reported once and retried. When the watcher ends, runs in progress are marked as killed; the
next watcher or `publish` continues them.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from ganflow.artifacts import CHECKPOINTS
from ganflow.config import Experiment
from ganflow.errors import UserError
from ganflow.locks import held
from ganflow.progress import log
from ganflow.reporting.mlflow_run import UnfinishedRun
from ganflow.reporting.publishing import ExperimentView, publish
from ganflow.reporting.runs import DivergedRun, RunRecord
from ganflow.reporting.tracking_store import TrackingStore
from ganflow.tensor_metadata import header
from ganflow.training.description import ITERATION


class Described(BaseModel):
    """What a checkpoint says of its run."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    metric_names: dict[str, str]


class Checkpoint(BaseModel):
    """The metadata of a checkpoint, as far as it is shown."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    journal: list[dict[str, float]]
    about: Described


POLL_SECONDS = 3.0  # between polls

Poll = Callable[[], tuple[list[RunRecord | DivergedRun], list[UnfinishedRun]]]


def watch(experiment: Experiment, poll: Poll, store: TrackingStore) -> None:
    """Publishes the finished and unfinished runs that `poll` returns, until all runs are finished."""
    total = len(experiment.runs)
    watcher, failing = Watcher(experiment, store), ""
    try:
        while True:
            try:
                runs, unfinished = poll()
                watcher.update(runs, unfinished)
                if failing:
                    log(f"{store}: reachable again")
                failing = ""
                if len(runs) == total:
                    return
            except (UserError, OSError) as error:
                if not failing:
                    log(f"{error} (retried every {POLL_SECONDS:.0f} seconds)")
                failing = str(error)
            time.sleep(POLL_SECONDS)
    finally:
        with suppress(UserError):
            watcher.end()


class Watcher:
    """Publishes changes since the last poll."""

    def __init__(self, experiment: Experiment, store: TrackingStore):
        self.experiment, self.store = experiment, store
        self.finished: dict[str, str] | None = None
        self.published: dict[
            str, tuple[float, int, int]
        ] = {}  # {fingerprint: (last iteration, grids, snapshots scored)}
        self.start_time = time.time()
        self.started = False

    def update(self, runs: list[RunRecord | DivergedRun], unfinished: list[UnfinishedRun]) -> None:
        """Publishes what is new since the last call; does not contact MLflow otherwise."""
        finished = {run.manifest["fingerprint"]: run.score_fingerprint for run in runs}
        if finished != self.finished:
            watched = frozenset(run.manifest["fingerprint"] for run in unfinished)
            found = publish(self.experiment, runs, self.store, watched)
            if found.new:
                log(f"{self.store}: {found.new} runs published")
            self.finished = finished
        changed = [run for run in unfinished if self.published.get(run.manifest["fingerprint"]) != _progress(run)]
        if changed:
            self.started = True
            with held(self.store.lock, "publish", log), self.store.client() as client:
                view = ExperimentView(client, self.store, self.experiment)
                view.read(finished)
                for run in changed:
                    known = run.manifest["fingerprint"]
                    after, *_ = self.published.get(known, (-1,))
                    view.advance(run, "RUNNING" if self._active(run) else "SCHEDULED", after)
                    self.published[known] = _progress(run)

    def _active(self, run: UnfinishedRun) -> bool:
        """Whether a training has progressed since the watcher started; else it may have been killed earlier."""
        return (
            run.manifest["fingerprint"] in self.published or run.samples[-1][1].stat().st_mtime >= self.start_time - 60
        )

    def end(self) -> None:
        """Marks runs in progress as killed."""
        if self.started:
            with held(self.store.lock, "publish", log), self.store.client() as client:
                view = ExperimentView(client, self.store, self.experiment)
                view.read(self.finished or {})
                view.end_abandoned(frozenset())


Checkpointed = tuple[dict[str, np.ndarray], list[tuple[int, Path]], dict[str, Any]]


def read_checkpoint(scratch: Path) -> Checkpointed:
    """Journal, sample grids and metadata of a training from its newest checkpoint; empty before the first.

    Reads only the header of the checkpoint, not the tensors.
    """
    samples = [(int(path.stem), path) for path in sorted(scratch.glob(f"samples/{ITERATION}.png"))]
    for checkpoint in sorted(scratch.glob(CHECKPOINTS), reverse=True):
        with suppress(UserError, OSError):  # replaced by a newer one in the meantime, or damaged
            known = header(checkpoint, Checkpoint)
            rows = known["journal"]
            journal = {column: np.array([row[column] for row in rows]) for column in (rows[0] if rows else ())}
            return journal, samples, known["about"]
    return {}, samples, {"metric_names": {}}


def _progress(run: UnfinishedRun) -> tuple[float, int, int]:
    steps = run.journal.get("iteration", np.empty(0))
    scored = len(run.curve["iteration"]) if run.curve else 0
    return (float(steps[-1]) if len(steps) else -1.0), len(run.samples), scored
