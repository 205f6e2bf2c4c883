"""What MLflow shows of a dataset: a run above those that were trained on it, and an input of each of them."""

import json
import os
import subprocess
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ganflow.artifacts import digest_value
from ganflow.components import component_class
from ganflow.config import Dataset
from ganflow.data.interfaces import Format
from ganflow.reporting.runs import RunRecord, flat, spoken
from ganflow.reporting.scores import scores_of
from ganflow.reporting.tables import HELD_OUT, scale, score_rows

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Run

DIGEST = 12  # characters of a dataset's digest that are shown
FINGERPRINT, NOTE = "ganflow.fingerprint", "mlflow.note.content"


def fingerprint(name: str, dataset: Dataset, inputs: dict[str, str]) -> str:
    """Names a dataset as runs were trained on it: its section of params.yaml and {folder: digest} of its shards."""
    return digest_value({"dataset": [name, dataset.model_dump(mode="json")], "inputs": inputs})


def open_dataset(
    client: "MlflowClient", home: str, name: str, dataset: Dataset, inputs: dict[str, str], there: "Run | None"
) -> "Run":
    """The run of a dataset, made or, if its making was cut off, completed: settings, digests, the dataset as input."""
    from mlflow.entities import Param

    if there is None:
        tags = {"dataset": name, FINGERPRINT: fingerprint(name, dataset, inputs), **digest_tags(inputs), **commit_tag()}
        there = client.create_run(home, run_name=name, tags=tags)
    identity = there.info.run_id
    client.log_batch(identity, params=[Param(key, str(value)) for key, value in _settings(name, dataset).items()])
    client.log_inputs(identity, [dataset_input(name, dataset, inputs)])
    client.set_terminated(identity)
    return client.get_run(identity)


def summarise(client: "MlflowClient", there: "Run", runs: list[RunRecord]) -> None:
    """Brings the run of a dataset up to date with the scores: what real held-out samples and degradations of them get,
    and a table in its description."""
    identity, known = there.info.run_id, there.data
    checks = scale({name: check for run in runs for name, check in run.score["checks"].items()})
    for check, found in checks.items():
        for name, value in found["scores"].items():
            if known.metrics.get(f"{check}_{name}") != value:
                client.log_metric(identity, f"{check}_{name}", value)
    note = _table(runs, checks)
    if known.tags.get(NOTE) != note:
        client.set_tag(identity, NOTE, note)


def dataset_input(name: str, dataset: Dataset, inputs: dict[str, str]) -> "DatasetInput":
    """A dataset as MLflow knows them: where it comes from, the digest of its shards, the shape of its images."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.dataset_source import DatasetSource
    from mlflow.data.http_dataset_source import HTTPDatasetSource
    from mlflow.data.schema import TensorDatasetSchema
    from mlflow.entities import Dataset as Entity
    from mlflow.entities import DatasetInput, InputTag
    from mlflow.types import Schema, TensorSpec

    source: DatasetSource
    if dataset.source.name == "official":
        archives = component_class(Format, dataset.format, f"datasets.{name}.format").archives
        source = HTTPDatasetSource(archives[0].urls[0])
    else:
        source = CodeDatasetSource({"mlflow.source.name": f"ganflow.data.sources.{dataset.source.name}"})
    kind, what = (np.uint8, "images") if dataset.dimension is None else (np.float32, "points")
    samples = TensorSpec(np.dtype(kind), (-1, *dataset.shape), what)
    entity = Entity(
        name=name,
        digest=dataset_digest(inputs),
        source_type=source._get_source_type(),
        source=source.to_json(),
        schema=json.dumps(TensorDatasetSchema(Schema([samples])).to_dict()),
        profile=json.dumps(_settings(name, dataset)),
    )
    return DatasetInput(entity, [InputTag("mlflow.data.context", "training")])


def dataset_digest(inputs: dict[str, str]) -> str:
    """The digest of a dataset in MLflow: the beginning of that of its shards' manifest, which names every byte."""
    return next(iter(inputs.values()))[:DIGEST]


def digest_tags(inputs: dict[str, str]) -> dict[str, str]:
    """The digests of inputs, under one key for all datasets so that they are one column of the table of runs."""
    return {f"digest.{os.path.dirname(path)}": digest for path, digest in inputs.items()}


@cache
def commit_tag() -> dict[str, str]:
    """The commit that publishes, if this is a clone, and the files that were edited since; dvc.lock is no edit."""
    commit, edited = (
        subprocess.run(["git", *command.split()], capture_output=True, text=True)
        for command in ("rev-parse HEAD", "diff --name-only HEAD -- :/ :!/dvc.lock")
    )
    if commit.returncode:
        return {}
    names = ", ".join(edited.stdout.splitlines())
    return {"mlflow.source.git.commit": commit.stdout.strip()} | ({"uncommitted": names[:500]} if names else {})


def _settings(name: str, dataset: Dataset) -> dict[str, Any]:
    return {"dataset": name} | flat(dataset.model_dump(mode="json"))


def _table(runs: list[RunRecord], checks: dict[str, dict[str, Any]]) -> str:
    """Scores by variant and the scale on which to read them, as Markdown."""
    scores = scores_of(runs)
    heads = [f"{score.name} ({score.better})" for score in scores]
    rows = [["variant", "seeds", *heads], ["---"] * (len(heads) + 2)]
    for row in score_rows(runs):
        rows.append([row.variant, str(len(row.runs)), *(f"{row.cells[score.name].mean:.4g}" for score in scores)])
    for check, found in checks.items():
        values = [found["scores"].get(score.name) for score in scores]
        name = "held-out real samples" if check == HELD_OUT else f"{spoken(check)} ones"
        rows.append([name, "", *("" if value is None else f"{value:.4g}" for value in values)])
    lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"Scores of the last weights, the mean over seeds, and whether a lower or a higher one is better.\n\n{lines}"
