"""A training in MLflow: parameters, tags, metrics by iteration, sample grids by step, dataset and model.

All writes are idempotent: after a kill or a server failure, the next call completes the same run.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ganflow.artifacts import MANIFEST, known_json
from ganflow.config import Dataset
from ganflow.progress import RunLog
from ganflow.reporting.mlflow_dataset import FINGERPRINT, NOTE, commit_tag, dataset_digest, dataset_input, digest_tags
from ganflow.reporting.mlflow_model import log_generator
from ganflow.reporting.runs import DivergedRun, RunRecord, TrainingRecord, flat
from ganflow.training.divergence import FILE as DIVERGENCE

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModelOutput, Run

LOGS = Path("logs")
BATCH = 1000  # metrics in one call, MLflow's limit
PARAMETERS = 100  # in one call
MAX_VALUE = 6000  # characters of a parameter's value, MLflow's limit
MAX_TAG = 5000  # characters of a tag's value
RECORDING = re.compile(
    r"compute\..*|training\.(.*_every|grid|validation_images)"
)  # parameters that are tags, because they don't affect results
PUBLISHED, PARENT, GRIDS = "ganflow.published", "mlflow.parentRunId", "samples"


@dataclass(frozen=True)
class UnfinishedRun:
    """A training in progress: its manifest so far, journal, sample grids and curve."""

    dataset: str
    variant: str
    seed: int
    manifest: dict[str, Any]
    journal: dict[str, np.ndarray]
    samples: list[tuple[int, Path]]
    curve: dict[str, np.ndarray] | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the finished run, without component settings, which are resolved only then."""
        return {key: value for key, value in flat(self.manifest["parameters"]).items() if ".settings" not in key}


def open_run(client: "MlflowClient", home: str, parent: str, run: TrainingRecord | UnfinishedRun, colour: str) -> "Run":
    """Creates an empty run for a training, with the colour #rrggbb."""
    about = run.manifest
    start = _clock(run)[0] if isinstance(run, TrainingRecord) else int(1000 * time.time())
    tags = {
        "dataset": run.dataset,
        "variant": run.variant,
        "seed": str(run.seed),
        FINGERPRINT: about["fingerprint"],
        PARENT: parent,
        "mlflow.source.name": f"python -m ganflow train {run.dataset} {run.variant} {run.seed}",
        "mlflow.source.type": "LOCAL",
        "mlflow.runColor": colour,
        **digest_tags(about["inputs"]),
        **{f"version.{package}": version for package, version in about["versions"].items()},
        **{key: str(value) for key, value in run.parameters.items() if RECORDING.fullmatch(key)},
        **commit_tag(),
    }
    return client.create_run(home, start_time=start, tags=tags, run_name=f"{run.variant} {run.seed} {run.dataset}")


def advance(
    client: "MlflowClient",
    there: "Run",
    run: RunRecord | DivergedRun | UnfinishedRun,
    dataset: Dataset,
    after: float = -1,
) -> None:
    """Writes the state of a training: parameters, dataset, journal rows `after` an iteration, curve, new grids."""
    from mlflow.entities import Metric, Param

    identity, start = there.info.run_id, there.info.start_time
    wanted = {"dataset": run.dataset, "variant": run.variant} | run.parameters
    parameters = [
        Param(key, str(value)[:MAX_VALUE])
        for key, value in wanted.items()
        if value is not None and key not in there.data.params and not RECORDING.fullmatch(key)
    ]
    for first in range(0, len(parameters), PARAMETERS):
        client.log_batch(identity, params=parameters[first : first + PARAMETERS])
    if there.inputs is None or not there.inputs.dataset_inputs:
        client.log_inputs(identity, [dataset_input(run.dataset, dataset, run.manifest["inputs"])])
    names = run.manifest["metric_names"]
    metrics = [
        Metric(names.get(column, column), float(value), start + index, int(step))
        for column, values in run.journal.items()
        if column != "iteration"
        for index, (step, value) in enumerate(zip(run.journal["iteration"], values, strict=True))
        if step > after
    ]
    metrics += [Metric(name, value, start + step, step) for name, step, value in _curve_scores(run.curve)]
    for first in range(0, len(metrics), BATCH):
        client.log_batch(identity, metrics=metrics[first : first + BATCH])
    _log_grids(client, identity, run.samples, start)


def finish(client: "MlflowClient", home: str, there: "Run", run: RunRecord | DivergedRun, dataset: Dataset) -> None:
    """Writes everything of a finished run; the tag PUBLISHED is set last. One that diverged has the status FAILED, as
    one that raised an error, with the reason as tag `diverged` and description, and neither model nor score."""
    advance(client, there, run, dataset)
    if isinstance(run, DivergedRun):
        _diverge(client, there, run)
    else:
        _complete(client, home, there, run)
    client.set_tag(there.info.run_id, PUBLISHED, run.score_fingerprint)


def _diverge(client: "MlflowClient", there: "Run", run: DivergedRun) -> None:
    identity, (_, end) = there.info.run_id, _clock(run)
    for name in ("journal.csv", MANIFEST):
        client.log_artifact(identity, str(run.folder / name))
    client.log_dict(identity, run.divergence.model_dump(mode="json"), DIVERGENCE)
    sentence = run.divergence.sentence[:MAX_TAG]
    for key, value in {"method": run.method, "diverged": str(run.divergence), NOTE: sentence}.items():
        client.set_tag(identity, key, value)
    client.set_terminated(identity, status="FAILED", end_time=max(there.info.start_time, end))


def _complete(client: "MlflowClient", home: str, there: "Run", run: RunRecord) -> None:
    from mlflow.entities import LoggedModelOutput, Metric, RunTag

    identity, log, (_, end) = there.info.run_id, _log(run), _clock(run)
    end, last = max(there.info.start_time, end), int(run.journal["iteration"][-1])
    if not _models(there):
        delete_models(client, home, identity)  # of an interrupted call
        averaged = run.score["protocol"]["weights"] == "ema"
        weights = run.folder / f"{run.manifest['scored']}{'_ema' if averaged else ''}.safetensors"
        made = log_generator(client, home, identity, weights)
        client.log_outputs(identity, [LoggedModelOutput(made, step=last)])
        there = client.get_run(identity)
    about = {
        "model_id": _models(there)[0].model_id,
        "dataset_name": run.dataset,
        "dataset_digest": dataset_digest(run.manifest["inputs"]),
    }
    # step 0: MLflow shows metrics with a single step as bar charts
    metrics = [Metric(name, float(value), end, 0, **about) for name, value in run.score["scores"].items()]
    metrics += [Metric(name, value, end, 0) for name, value in _best_scores(run).items()]
    if "images_per_second" in log:
        metrics.append(Metric("images_per_second", float(log["images_per_second"]), end, 0))
    for first in range(0, len(metrics), BATCH):
        client.log_batch(identity, metrics=metrics[first : first + BATCH])
    for name in ("journal.csv", MANIFEST):
        client.log_artifact(identity, str(run.folder / name))
    client.log_dict(identity, run.score, "score.json")
    if run.neighbours:
        client.log_artifact(identity, str(run.neighbours.image))
    client.log_batch(identity, tags=[RunTag(key, value) for key, value in _finished_tags(run).items()])
    client.set_terminated(identity, status="FINISHED", end_time=end)


def delete_run(client: "MlflowClient", home: str, there: "Run") -> None:
    """Deletes a run and its models."""
    delete_models(client, home, there.info.run_id)
    client.delete_run(there.info.run_id)


def delete_models(client: "MlflowClient", home: str, run: str) -> None:
    """Deletes the models of a run."""
    for model in client.search_logged_models([home], filter_string=f"source_run_id = '{run}'"):
        client.delete_logged_model(model.model_id)


def _models(there: "Run") -> "list[LoggedModelOutput]":
    """The output models of a run in MLflow."""
    return there.outputs.model_outputs if there.outputs else []


def _clock(run: TrainingRecord) -> tuple[int, int]:
    """Start and end of a run in milliseconds, from the training's log, else from file times."""
    log = _log(run)
    last = run.samples[-1][1] if run.samples else run.folder / MANIFEST
    end = int(1000 * log.get("finished", last.stat().st_mtime))
    return end - int(1000 * log.get("seconds", 0)), end


def _log(run: TrainingRecord) -> dict[str, Any]:
    return known_json(RunLog, LOGS / "train" / f"{run.dataset}-{run.variant}-{run.seed}.json") or {}


def _log_grids(client: "MlflowClient", run: str, samples: list[tuple[int, Path]], start: int) -> None:
    """Logs the sample grids that MLflow lacks; an incomplete one is overwritten.

    `log_image` writes an image and then a compressed copy, both with a random number in the name.
    """
    found = [Path(file.path) for file in client.list_artifacts(run, "images")]
    started = {int(path.stem.split("+")[2]): path for path in found if path.suffix == ".png"}
    complete = {int(path.stem.split("+")[2]) for path in found if path.stem.endswith("+compressed")}
    for iteration, path in samples:
        if iteration in complete:
            continue
        with Image.open(path) as image:
            grid = image.convert("RGB")
        if iteration in started:
            for name in (
                started[iteration],
                started[iteration].with_name(f"{started[iteration].stem}+compressed.webp"),
            ):
                client.log_image(run, grid, artifact_file=name.as_posix())
        else:
            client.log_image(run, grid, key=GRIDS, step=iteration, timestamp=start)


def _best_scores(run: RunRecord) -> dict[str, float]:
    """{best/<score>: value} of the best snapshot and its iteration; empty without a curve."""
    best = run.score["best"]
    if best is None:
        return {}
    scores = {f"best/{name}": float(value) for name, value in best["scores"].items()}
    return scores | {"best/iteration": float(best["iteration"])}


def _curve_scores(curve: dict[str, np.ndarray] | None) -> Iterator[tuple[str, int, float]]:
    """Yields (curve/<score>, iteration, value) for the curve, if there is one."""
    if curve is None:
        return
    for column in curve.keys() - {"iteration"}:
        for iteration, value in zip(curve["iteration"], curve[column], strict=True):
            yield f"curve/{column}", int(iteration), float(value)


def _finished_tags(run: RunRecord) -> dict[str, str]:
    """Tags of a finished run: method, extractor, failed metric checks."""
    tags, extractor = {"method": run.method}, run.score["protocol"]["extractor"]
    if extractor is not None:
        tags |= {"extractor": extractor["name"], "extractor.sha256": extractor["sha256"]}
    if run.score["flags"]:
        tags["flags"] = "; ".join(run.score["flags"])[:MAX_TAG]
    return tags
