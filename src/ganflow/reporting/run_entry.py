"""What MLflow shows of a training: parameters, tags, metrics by iteration, grids by step, dataset and model.

All of it may be written again: what a kill or a failing server cut off is gone on with, in the same run.
"""

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ganflow.artifacts import MANIFEST, read_json
from ganflow.config import Dataset
from ganflow.reporting.dataset_entry import FINGERPRINT, commit_tag, dataset_digest, dataset_input, digest_tags
from ganflow.reporting.models import log_generator
from ganflow.reporting.runs import RunRecord, flat
from ganflow.reporting.score_entry import best_scores, curve_scores, finished_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModelOutput, Run

LOGS = Path("logs")
BATCH = 1000  # metrics in one call, MLflow's limit
PARAMETERS = 100  # in one call
LONGEST = 6000  # characters of a parameter's value, MLflow's limit
RECORDING = re.compile(
    r"compute\..*|training\.(.*_every|grid|validation_images)"
)  # parameters that no comparison needs
PUBLISHED, PARENT, GRIDS = "ganflow.published", "mlflow.parentRunId", "samples"


@dataclass(frozen=True)
class Unfinished:
    """A training without scores: what its manifest would say, and the journal, grids and curve that there are."""

    dataset: str
    variant: str
    seed: int
    manifest: dict[str, Any]
    journal: dict[str, np.ndarray]
    samples: list[tuple[int, Path]]
    curve: dict[str, np.ndarray] | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """Those of the run when it is finished, but for the components' settings, which are complete only then."""
        return {key: value for key, value in flat(self.manifest["parameters"]).items() if ".settings" not in key}


def open_run(client: "MlflowClient", home: str, parent: str, run: RunRecord | Unfinished, colour: str) -> "Run":
    """The run of a training, new and still empty, drawn in a colour (#rrggbb)."""
    about = run.manifest
    start = _clock(run)[0] if isinstance(run, RunRecord) else int(1000 * time.time())
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
    client: "MlflowClient", there: "Run", run: RunRecord | Unfinished, dataset: Dataset, after: float = -1
) -> None:
    """Writes what a training has so far: parameters, dataset, rows of the journal `after` an iteration, its curve, new
    grids."""
    from mlflow.entities import Metric, Param

    identity, start = there.info.run_id, there.info.start_time
    wanted = {"dataset": run.dataset, "variant": run.variant} | run.parameters
    parameters = [
        Param(key, str(value)[:LONGEST])
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
    metrics += [Metric(name, value, start + step, step) for name, step, value in curve_scores(run.curve)]
    for first in range(0, len(metrics), BATCH):
        client.log_batch(identity, metrics=metrics[first : first + BATCH])
    _show_grids(client, identity, run.samples, start)


def finish(client: "MlflowClient", home: str, there: "Run", run: RunRecord, dataset: Dataset) -> None:
    """Writes all that a finished run has; the tag that says so, PUBLISHED, comes last."""
    from mlflow.entities import LoggedModelOutput, Metric, RunTag

    advance(client, there, run, dataset)
    identity, log, (_, end) = there.info.run_id, _log(run), _clock(run)
    end, last = max(there.info.start_time, end), int(run.journal["iteration"][-1])
    if not _models(there):
        delete_models(client, home, identity)  # cut off before it was the run's output
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
    # at step 0, for MLflow compares metrics that have no other as bars
    metrics = [Metric(name, float(value), end, 0, **about) for name, value in run.score["scores"].items()]
    metrics += [Metric(name, value, end, 0) for name, value in best_scores(run).items()]
    if "images_per_second" in log:
        metrics.append(Metric("images_per_second", float(log["images_per_second"]), end, 0))
    for first in range(0, len(metrics), BATCH):
        client.log_batch(identity, metrics=metrics[first : first + BATCH])
    for name in ("journal.csv", MANIFEST):
        client.log_artifact(identity, str(run.folder / name))
    client.log_dict(identity, run.score, "score.json")
    if run.neighbours:
        client.log_artifact(identity, str(run.neighbours.picture))
    client.log_batch(identity, tags=[RunTag(key, value) for key, value in finished_tags(run).items()])
    client.set_terminated(identity, status="FINISHED", end_time=end)
    client.set_tag(identity, PUBLISHED, run.scored)


def delete_run(client: "MlflowClient", home: str, there: "Run") -> None:
    """Deletes a run and its models."""
    delete_models(client, home, there.info.run_id)
    client.delete_run(there.info.run_id)


def delete_models(client: "MlflowClient", home: str, run: str) -> None:
    """Deletes the models of a run."""
    for model in client.search_logged_models([home], filter_string=f"source_run_id = '{run}'"):
        client.delete_logged_model(model.model_id)


def _models(there: "Run") -> "list[LoggedModelOutput]":
    """The models that a run in MLflow has as outputs."""
    return there.outputs.model_outputs if there.outputs else []


def _clock(run: RunRecord) -> tuple[int, int]:
    """When a run began and ended, in milliseconds, by the training's log; by its files where there is none."""
    log = _log(run)
    end = int(1000 * log.get("finished", run.samples[-1][1].stat().st_mtime))
    return end - int(1000 * log.get("seconds", 0)), end


def _log(run: RunRecord) -> dict[str, Any]:
    path = LOGS / "train" / f"{run.dataset}-{run.variant}-{run.seed}.json"
    return read_json(path) if path.exists() else {}


def _show_grids(client: "MlflowClient", run: str, samples: list[tuple[int, Path]], start: int) -> None:
    """Brings MLflow the grids that it has not whole; one that was cut off is written again under its own name.

    It writes a picture and then a small copy, both named by a random number.
    """
    found = [Path(file.path) for file in client.list_artifacts(run, "images")]
    begun = {int(path.stem.split("+")[2]): path for path in found if path.suffix == ".png"}
    whole = {int(path.stem.split("+")[2]) for path in found if path.stem.endswith("+compressed")}
    for iteration, path in samples:
        if iteration in whole:
            continue
        with Image.open(path) as picture:
            grid = picture.convert("RGB")
        if iteration in begun:
            for name in (begun[iteration], begun[iteration].with_name(f"{begun[iteration].stem}+compressed.webp")):
                client.log_image(run, grid, artifact_file=name.as_posix())
        else:
            client.log_image(run, grid, key=GRIDS, step=iteration, timestamp=start)
