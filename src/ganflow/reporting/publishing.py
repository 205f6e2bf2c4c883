"""Runs in MLflow: a view of the files, made again at will. Publishing twice changes nothing.

A run is known by its fingerprint tag. The tag `ganflow.published`, the fingerprint of its scores, is set last: a run
without it is gone on with, one with another was scored anew and is replaced, so that none is left running or stands
there twice. A lock lets one process of this folder write at a time.
"""

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from filelock import FileLock

from ganflow.artifacts import digest_value, read_json, write_json
from ganflow.config import Experiment
from ganflow.errors import UserError
from ganflow.progress import Progress
from ganflow.reporting.dataset_entry import FINGERPRINT, fingerprint, open_dataset, summarise
from ganflow.reporting.run_entry import PARENT, PUBLISHED, Unfinished, advance, delete_run, finish, open_run
from ganflow.reporting.runs import RunRecord
from ganflow.reporting.tables import score_tables
from ganflow.reporting.tracking_store import TrackingStore

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

WATCHER = "ganflow.watcher"


class Published(NamedTuple):
    """How many runs were new, how many there already, and the page that compares them (the address after the host)."""

    new: int
    known: int
    page: str


def publish(
    experiment: Experiment, runs: list[RunRecord], store: TrackingStore, followed: frozenset[str] = frozenset()
) -> Published:
    """Brings MLflow up to date with some finished runs.

    What stands there as running is marked as killed, but for those `followed`, by their fingerprints. Raises UserError
    if MLflow can't be written, and says how far it came.
    """
    stamp = Path("build") / f"published-{store.database.name}.json"
    wanted = {run.manifest["fingerprint"]: run.scored for run in runs}
    Path("build").mkdir(exist_ok=True)
    with FileLock(store.lock):
        seen = {} if store.server else _stamped(stamp, store.database)
        if seen and wanted.items() <= seen["published"].items():
            return Published(0, len(wanted), seen["page"])
        done = 0
        try:
            with store.client() as client:
                view = ExperimentView(client, store, experiment)
                view.read(wanted)
                new = [run for run in runs if run.manifest["fingerprint"] not in view.complete]
                known = done = len(runs) - len(new)
                with Progress("publish", len(new), "runs") as progress:
                    for run in new:
                        view.finish(run)
                        done += 1
                        progress.advance()
                view.summarise(runs)
                view.end_abandoned(followed)
                page = view.page(runs)
        except UserError as error:
            raise UserError(
                f"{error}; {done} of {len(runs)} runs are published; run `python -m ganflow publish` again, it goes on"
            ) from None
        if not store.server:
            seen = {"database": _identity(store.database), "published": view.complete | wanted, "page": page}
            write_json(stamp, seen)
    return Published(len(new), known, page)


def _stamped(stamp: Path, database: Path) -> dict[str, Any]:
    """What the last call saw in this very database file, so that a call with nothing to do need not import MLflow."""
    if not stamp.exists() or not database.exists():
        return {}
    seen = read_json(stamp)
    return seen if seen["database"] == _identity(database) else {}


def _identity(database: Path) -> list[int]:
    status = database.stat()
    return [status.st_ino, status.st_mtime_ns, status.st_size]


class ExperimentView:
    """One experiment in MLflow, as it was when it was read, and what is written there."""

    def __init__(self, client: "MlflowClient", store: TrackingStore, experiment: Experiment):
        self.client, self.store, self.experiment = client, store, experiment
        self.home = store.experiment_id(client, experiment.experiment)
        self.watcher = digest_value([platform.node(), str(Path.cwd())])[:16]
        self.there: dict[str, Run] = {}  # by fingerprint
        self.complete: dict[str, str] = {}  # {fingerprint: fingerprint of its scores}

    def read(self, wanted: dict[str, str]) -> None:
        """Reads all runs; deletes those whose scores are not the wanted ones, and all but one of equal fingerprint."""
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

    def page(self, runs: list[RunRecord]) -> str:
        """The page that compares trainings: without the datasets' runs, the best by the first score on top."""
        asked = {
            "workflowType": "machine_learning",
            "searchFilter": 'tags.variant != ""',
            "compareRunsMode": "CHART",
        }
        if runs:
            score = score_tables(runs)[0].scores[0]
            asked |= {"orderByKey": f"metrics.`{score.name}`", "orderByAsc": str(score.better == "lower").lower()}
        query = "&".join(f"{key}={quote(value, safe='')}" for key, value in asked.items())
        return f"/#/experiments/{self.home}/runs?{query}"

    def finish(self, run: RunRecord) -> None:
        """Shows a finished run with all that it has."""
        finish(self.client, self.home, self._opened(run), run, self.experiment.datasets[run.dataset])

    def advance(self, run: Unfinished, status: str, after: float) -> None:
        """Shows what a training has so far, its journal `after` an iteration."""
        there = self._opened(run)
        advance(self.client, there, run, self.experiment.datasets[run.dataset], after)
        if there.info.status != status:
            self.client.update_run(there.info.run_id, status=status)
        self.client.set_tag(there.info.run_id, WATCHER, self.watcher)

    def summarise(self, runs: list[RunRecord]) -> None:
        """Brings the datasets' runs up to date, and puts every run below its dataset's."""
        for name in dict.fromkeys(run.dataset for run in runs):
            mine = [run for run in runs if run.dataset == name]
            parent = self._parent(mine[0])
            for run in mine:
                child = self.there[run.manifest["fingerprint"]]
                if child.data.tags.get(PARENT) != parent.info.run_id:
                    self.client.set_tag(child.info.run_id, PARENT, parent.info.run_id)
            summarise(self.client, parent, mine)

    def end_abandoned(self, followed: frozenset[str]) -> None:
        """Marks as killed what a watcher of this folder showed as running and no longer follows."""
        for known, run in self.there.items():
            mine = not self.store.server or run.data.tags.get(WATCHER) == self.watcher
            if (
                run.info.status in ("RUNNING", "SCHEDULED")
                and PARENT in run.data.tags
                and mine
                and known not in followed
            ):
                now = self.client.get_run(run.info.run_id)
                if PUBLISHED not in now.data.tags:
                    self.client.set_terminated(run.info.run_id, status="KILLED")

    def _opened(self, run: RunRecord | Unfinished) -> "Run":
        """The run in MLflow, begun if it is not there, with all that it holds so far."""
        known = run.manifest["fingerprint"]
        if known not in self.there:
            parent = self._parent(run).info.run_id
            self.there[known] = open_run(self.client, self.home, parent, run, self._colour(run.variant))
        self.there[known] = self.client.get_run(self.there[known].info.run_id)
        return self.there[known]

    def _colour(self, variant: str) -> str:
        """The colour of a variant in all its runs: that of the report, where all variants are in it."""
        from ganflow.reporting.figures import COLOURS

        return COLOURS[list(self.experiment.variants).index(variant) % len(COLOURS)]

    def _parent(self, run: RunRecord | Unfinished) -> "Run":
        dataset, inputs = self.experiment.datasets[run.dataset], run.manifest["inputs"]
        known = fingerprint(run.dataset, dataset, inputs)
        there = self.there.get(known)
        if there is None or there.info.status != "FINISHED":
            there = open_dataset(self.client, self.home, run.dataset, dataset, inputs, there)
        self.there[known] = there
        return there
