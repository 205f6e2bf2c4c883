"""Publishes runs to MLflow, as a view of the files. Publishing twice changes nothing.

A run is identified by its fingerprint tag. The tag `ganflow.published`, the fingerprint of its scores, is set last: a
run without it is completed, one with another value is replaced, so that no run stays running or appears twice. A lock
allows one writer per folder.
"""

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from ganflow.artifacts import digest_value, known_json, write_json
from ganflow.config import Experiment, Model
from ganflow.errors import UserError
from ganflow.locks import held
from ganflow.progress import Progress, log
from ganflow.reporting.mlflow_dataset import FINGERPRINT, fingerprint, open_dataset, summarise
from ganflow.reporting.mlflow_run import PARENT, PUBLISHED, UnfinishedRun, advance, delete_run, finish, open_run
from ganflow.reporting.runs import DivergedRun, RunRecord, TrainingRecord
from ganflow.reporting.tracking_store import TrackingStore

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

WATCHER = "ganflow.watcher"


class Stamp(Model):
    """build/published-<database>.json: inode, date and size of the database after the last call, the published runs by
    their fingerprints, with those of their scores, and the page that compares them."""

    database: list[int]
    published: dict[str, str]
    page: str


class PublishResult(NamedTuple):
    """Numbers of new and already published runs, and the path of the page that compares them."""

    new: int
    known: int
    page: str


def publish(
    experiment: Experiment,
    runs: list[RunRecord | DivergedRun],
    store: TrackingStore,
    watched: frozenset[str] = frozenset(),
) -> PublishResult:
    """Publishes finished runs; those that diverged have the status FAILED.

    Runs that MLflow shows as running are marked as killed, except those with fingerprints in `watched`. Raises
    UserError with the number of published runs if MLflow can't be written.
    """
    stamp = Path("build") / f"published-{store.database.name}.json"
    wanted = {run.manifest["fingerprint"]: run.score_fingerprint for run in runs}
    Path("build").mkdir(exist_ok=True)
    with held(store.lock, "publish", log):
        seen = {} if store.server else _stamped(stamp, store.database)
        if seen and wanted.items() <= seen["published"].items():
            return PublishResult(0, len(wanted), seen["page"])
        done = 0
        try:
            with store.client() as client:
                view = ExperimentView(client, store, experiment)
                store.discard_uploads()
                view.read(wanted)
                new = [run for run in runs if run.manifest["fingerprint"] not in view.complete]
                known = done = len(runs) - len(new)
                with Progress("publish", len(new), "runs") as progress:
                    for run in new:
                        view.finish(run)
                        done += 1
                        progress.advance()
                view.summarise(runs)
                view.end_abandoned(watched)
                page = view.page()
        except UserError as error:
            raise UserError(
                f"{error}; {done} of {len(runs)} runs are published; run `python -m ganflow publish` again to continue"
            ) from None
        if not store.server:
            seen = {"database": _identity(store.database), "published": view.complete | wanted, "page": page}
            write_json(stamp, seen)
    return PublishResult(len(new), known, page)


def _stamped(stamp: Path, database: Path) -> dict[str, Any]:
    """State after the last call with this database file, so that a call without news doesn't import MLflow."""
    if not stamp.exists() or not database.exists():
        return {}
    seen = known_json(Stamp, stamp)
    return seen if seen and seen["database"] == _identity(database) else {}


def _identity(database: Path) -> list[int]:
    status = database.stat()
    return [status.st_ino, status.st_mtime_ns, status.st_size]


class ExperimentView:
    """An experiment in MLflow: its runs as last read, and operations on them."""

    def __init__(self, client: "MlflowClient", store: TrackingStore, experiment: Experiment):
        self.client, self.store, self.experiment = client, store, experiment
        self.home = store.experiment_id(client, experiment.experiment)
        self.watcher = digest_value([platform.node(), str(Path.cwd())])[:16]
        self.there: dict[str, Run] = {}  # by fingerprint
        self.complete: dict[str, str] = {}  # {fingerprint: fingerprint of its scores}

    def read(self, wanted: dict[str, str]) -> None:
        """Reads all runs; deletes those with outdated scores, and duplicates."""
        self.there.clear()
        self.complete.clear()
        for run in sorted(self._runs(), key=lambda run: (PUBLISHED not in run.data.tags, run.info.run_id)):
            known, scored = run.data.tags.get(FINGERPRINT), run.data.tags.get(PUBLISHED)
            if known is None:
                continue
            if known in self.there or (scored and wanted.get(known, scored) != scored):
                delete_run(self.client, self.home, run)
                continue
            self.there[known] = run
            if scored:
                self.complete[known] = scored

    def _runs(self) -> "list[Run]":
        found: list[Run] = []
        token = None
        while True:
            page = self.client.search_runs([self.home], max_results=1000, page_token=token)
            found += page
            token = page.token
            if not token:
                return found

    def page(self) -> str:
        """Path of the page that compares trainings, without dataset runs, by variant: an order by a score would be a
        claim."""
        parameters = {
            "workflowType": "machine_learning",
            "searchFilter": 'tags.variant != ""',
            "compareRunsMode": "CHART",
            "orderByKey": "params.`variant`",
            "orderByAsc": "true",
        }
        query = "&".join(f"{key}={quote(value, safe='')}" for key, value in parameters.items())
        return f"/#/experiments/{self.home}/runs?{query}"

    def finish(self, run: RunRecord | DivergedRun) -> None:
        """Publishes a finished run."""
        finish(self.client, self.home, self._opened(run), run, self.experiment.datasets[run.dataset])

    def advance(self, run: UnfinishedRun, status: str, after: float) -> None:
        """Publishes the state of a training, with journal rows `after` an iteration."""
        there = self._opened(run)
        advance(self.client, there, run, self.experiment.datasets[run.dataset], after)
        if there.info.status != status:
            self.client.update_run(there.info.run_id, status=status)
        self.client.set_tag(there.info.run_id, WATCHER, self.watcher)

    def summarise(self, runs: list[RunRecord | DivergedRun]) -> None:
        """Updates the datasets' runs and makes them the parents of their trainings."""
        for name in dict.fromkeys(run.dataset for run in runs):
            mine = [run for run in runs if run.dataset == name]
            parent = self._parent(mine[0])
            for run in mine:
                child = self.there[run.manifest["fingerprint"]]
                if child.data.tags.get(PARENT) != parent.info.run_id:
                    self.client.set_tag(child.info.run_id, PARENT, parent.info.run_id)
            summarise(self.client, parent, mine)

    def end_abandoned(self, watched: frozenset[str]) -> None:
        """Marks runs as killed that a watcher of this folder published and that are no longer watched."""
        for known, run in self.there.items():
            mine = not self.store.server or run.data.tags.get(WATCHER) == self.watcher
            if (
                run.info.status in ("RUNNING", "SCHEDULED")
                and PARENT in run.data.tags
                and mine
                and known not in watched
            ):
                now = self.client.get_run(run.info.run_id)
                if PUBLISHED not in now.data.tags:
                    self.client.set_terminated(run.info.run_id, status="KILLED")

    def _opened(self, run: TrainingRecord | UnfinishedRun) -> "Run":
        """The run in MLflow, created if necessary, with its current data."""
        known = run.manifest["fingerprint"]
        if known not in self.there:
            parent = self._parent(run).info.run_id
            self.there[known] = open_run(self.client, self.home, parent, run, self._colour(run.variant))
        self.there[known] = self.client.get_run(self.there[known].info.run_id)
        return self.there[known]

    def _colour(self, variant: str) -> str:
        """The colour of a variant, as in the report."""
        from ganflow.reporting.figures import COLOURS

        return COLOURS[list(self.experiment.variants).index(variant) % len(COLOURS)]

    def _parent(self, run: TrainingRecord | UnfinishedRun) -> "Run":
        dataset, inputs = self.experiment.datasets[run.dataset], run.manifest["inputs"]
        known = fingerprint(run.dataset, dataset, inputs)
        there = self.there.get(known)
        if there is None or there.info.status != "FINISHED":
            there = open_dataset(self.client, self.home, run.dataset, dataset, inputs, there)
        self.there[known] = there
        return there
