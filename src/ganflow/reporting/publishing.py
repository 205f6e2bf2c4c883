"""Finished runs in MLflow: a view of the files, made again at will. Publishing twice changes nothing.

A run is known by its fingerprint tag. The tag `ganflow.published`, the fingerprint of its scores, is set last: a run
without it
was cut off by a kill, one with another was scored anew; either is deleted and published again, so that none is left
running
or stands there twice. A lock lets one process write at a time.
"""

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock
from PIL import Image

from ganflow.artifacts import read_json, write_json
from ganflow.config import Experiment
from ganflow.errors import UserError
from ganflow.progress import Progress
from ganflow.reporting.runs import RunRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient

DATABASE = Path("mlflow.db")
ARTIFACTS = Path("mlartifacts")
LOGS = Path("logs")
BATCH = 1000  # metrics in one call, MLflow's limit
PARAMETERS = 100  # in one call
LONGEST = 6000  # characters of a parameter's value, MLflow's limit
FINGERPRINT, PUBLISHED = "ganflow.fingerprint", "ganflow.published"


def publish(experiment: Experiment, runs: list[RunRecord], database: Path = DATABASE) -> tuple[int, int]:
    """Brings an SQLite database of MLflow up to date; returns how many runs were new and how many were there already.

    Raises UserError if the database can't be written.
    """
    stamp = Path("build") / f"published-{database.name}.json"
    wanted = {run.manifest["fingerprint"]: run.scored for run in runs}
    Path("build").mkdir(exist_ok=True)
    with FileLock(f"{database}.lock"):
        if wanted.items() <= _stamped(stamp, database).items():
            return 0, len(wanted)
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        os.environ["MLFLOW_LOGGING_LEVEL"] = "ERROR"
        from mlflow.exceptions import MlflowException

        try:
            client = _client(database)
            home = _experiment_id(client, experiment.experiment)
            known = _published(client, home, wanted)
            new = [run for run in runs if run.manifest["fingerprint"] not in known]
            with Progress("publish", len(new), "runs") as progress:
                for run in new:
                    _publish(client, home, run)
                    progress.advance()
        except MlflowException as error:
            raise UserError(f"{database}: MLflow can't write it ({error}); move it away and publish again") from None
        write_json(stamp, {"database": _identity(database), "published": known | wanted})
    return len(new), len(runs) - len(new)


def _stamped(stamp: Path, database: Path) -> dict[str, str]:
    """What the last call saw in this very database file, so that a call with nothing to do need not import MLflow."""
    if not stamp.exists() or not database.exists():
        return {}
    seen = read_json(stamp)
    return seen["published"] if seen["database"] == _identity(database) else {}


def _identity(database: Path) -> list[int]:
    status = database.stat()
    return [status.st_ino, status.st_mtime_ns, status.st_size]


def _client(database: Path) -> "MlflowClient":
    """A client of the database, which is made beside its place first: MLflow can't mend one whose making was cut
    off."""
    from mlflow import MlflowClient

    if not database.exists():
        partial = database.with_name(f".{database.name}.partial")
        partial.unlink(missing_ok=True)
        MlflowClient(f"sqlite:///{partial.absolute()}").search_experiments()
        partial.replace(database)
    return MlflowClient(f"sqlite:///{database.absolute()}")


def _experiment_id(client: "MlflowClient", name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        return client.create_experiment(name, artifact_location=(ARTIFACTS / name).absolute().as_uri())
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return found.experiment_id


def _published(client: "MlflowClient", home: str, wanted: dict[str, str]) -> dict[str, str]:
    """{fingerprint: fingerprint of its scores} of the runs that are complete; of those wanted, what is not is
    deleted."""
    complete: dict[str, str] = {}
    token = None
    while True:
        page = client.search_runs([home], max_results=1000, page_token=token)
        for run in page:
            fingerprint, scored = (run.data.tags.get(tag) for tag in (FINGERPRINT, PUBLISHED))
            if fingerprint and wanted.get(fingerprint, scored) != scored:
                client.delete_run(run.info.run_id)
            elif fingerprint and scored:
                complete[fingerprint] = scored
        token = page.token
        if not token:
            return complete


def _publish(client: "MlflowClient", home: str, run: RunRecord) -> None:
    from mlflow.entities import Metric, Param

    log = LOGS / "train" / f"{run.dataset}-{run.variant}-{run.seed}.json"
    varying = read_json(log) if log.exists() else {}
    end = int(1000 * varying.get("finished", run.samples[-1][1].stat().st_mtime))
    start = end - int(1000 * varying.get("seconds", 0))
    tags = {
        "dataset": run.dataset,
        "variant": run.variant,
        "seed": str(run.seed),
        "estimate": run.estimate,
        FINGERPRINT: run.manifest["fingerprint"],
        **{f"data.{path}": digest for path, digest in run.manifest["inputs"].items()},
        **{f"version.{package}": version for package, version in run.manifest["versions"].items()},
        **_commit(),
    }
    made = client.create_run(home, start_time=start, tags=tags, run_name=run.name)
    identity = made.info.run_id
    parameters = [Param(key, str(value)[:LONGEST]) for key, value in run.parameters.items()]
    for first in range(0, len(parameters), PARAMETERS):
        client.log_batch(identity, params=parameters[first : first + PARAMETERS])
    steps = run.journal["iteration"]
    metrics = [
        Metric(column, float(value), start + index, int(step))
        for column, values in run.journal.items()
        if column != "iteration"
        for index, (step, value) in enumerate(zip(steps, values, strict=True))
    ]
    last = int(steps[-1])
    metrics += [Metric(name, float(value), end, last) for name, value in run.score["scores"].items()]
    metrics += [Metric(f"floor_{name}", float(value), end, last) for name, value in run.score["floor"].items()]
    if "images_per_second" in varying:
        metrics.append(Metric("images_per_second", float(varying["images_per_second"]), end, last))
    for first in range(0, len(metrics), BATCH):
        client.log_batch(identity, metrics=metrics[first : first + BATCH])
    for iteration, path in run.samples:
        with Image.open(path) as picture:
            client.log_image(identity, picture.convert("RGB"), key="samples", step=iteration, timestamp=start)
    client.log_dict(identity, run.score, "score.json")
    client.log_dict(identity, run.manifest, "manifest.json")
    client.set_terminated(identity, status="FINISHED", end_time=end)
    client.set_tag(identity, PUBLISHED, run.scored)


def _commit() -> dict[str, str]:
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True)
    return {"mlflow.source.git.commit": done.stdout.strip()} if done.returncode == 0 else {}
