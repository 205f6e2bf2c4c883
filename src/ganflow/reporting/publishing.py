"""Finished runs in MLflow: a view of the files, made again at will. Publishing twice changes nothing.

A run is known by its fingerprint tag. The tag `ganflow.published` is set last: a run without it was cut off by a kill and is
deleted and published again, so that none is left running or stands there twice. A lock lets one process write at a time.
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
from ganflow.reporting.runs import RunRecord, flat

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
    wanted = {run.manifest["fingerprint"]: run for run in runs}
    Path("build").mkdir(exist_ok=True)
    with FileLock(f"{database}.lock"):
        if _stamped(stamp, database) >= set(wanted):
            return 0, len(wanted)
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        os.environ["MLFLOW_LOGGING_LEVEL"] = "ERROR"
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            client = MlflowClient(f"sqlite:///{database}")
            home = _experiment_id(client, experiment.experiment)
            known = _published(client, home)
            new = [run for fingerprint, run in wanted.items() if fingerprint not in known]
            with Progress("publish", len(new), "runs") as progress:
                for run in new:
                    _publish(client, home, run)
                    progress.advance()
        except MlflowException as error:
            raise UserError(f"{database}: MLflow can't write it ({error}); move it away and publish again") from None
        write_json(stamp, {"database": _identity(database), "fingerprints": sorted(known | set(wanted))})
    return len(new), len(wanted) - len(new)


def _stamped(stamp: Path, database: Path) -> set[str]:
    """What the last call saw in this very database file, so that a call with nothing to do need not import MLflow."""
    if not stamp.exists() or not database.exists():
        return set()
    seen = read_json(stamp)
    return set(seen["fingerprints"]) if seen["database"] == _identity(database) else set()


def _identity(database: Path) -> list[int]:
    status = database.stat()
    return [status.st_ino, status.st_mtime_ns, status.st_size]


def _experiment_id(client: "MlflowClient", name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        return client.create_experiment(name, artifact_location=(ARTIFACTS / name).absolute().as_uri())
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return found.experiment_id


def _published(client: "MlflowClient", home: str) -> set[str]:
    """Fingerprints of the runs that are complete; what a killed call left is deleted."""
    complete, token = set(), None
    while True:
        page = client.search_runs([home], max_results=1000, page_token=token)
        for run in page:
            if PUBLISHED in run.data.tags:
                complete.add(run.data.tags[FINGERPRINT])
            elif FINGERPRINT in run.data.tags:
                client.delete_run(run.info.run_id)
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
    parameters = [Param(key, str(value)[:LONGEST]) for key, value in flat(run.manifest["parameters"]).items()]
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
    client.set_tag(identity, PUBLISHED, "yes")


def _commit() -> dict[str, str]:
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True)
    return {"mlflow.source.git.commit": done.stdout.strip()} if done.returncode == 0 else {}

