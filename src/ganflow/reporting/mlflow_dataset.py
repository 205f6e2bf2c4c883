"""A dataset in MLflow: a parent run of the trainings on it, and a dataset input of each training."""

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
from ganflow.reporting.claims import RULE, claims_of, sentences
from ganflow.reporting.runs import DivergedRun, RunRecord, flat, in_words, parted
from ganflow.reporting.tables import HELD_OUT, scale, score_tables

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Run

DIGEST = 12  # characters of a dataset's digest in MLflow
FINGERPRINT, NOTE = "ganflow.fingerprint", "mlflow.note.content"


def fingerprint(name: str, dataset: Dataset, inputs: dict[str, str]) -> str:
    """Identifies a dataset version: its section of params.yaml and {folder: digest} of its shards."""
    return digest_value({"dataset": [name, dataset.model_dump(mode="json")], "inputs": inputs})


def open_dataset(
    client: "MlflowClient", home: str, name: str, dataset: Dataset, inputs: dict[str, str], there: "Run | None"
) -> "Run":
    """Creates the run of a dataset, or completes an interrupted one: settings, digests, dataset input."""
    from mlflow.entities import Param

    if there is None:
        tags = {"dataset": name, FINGERPRINT: fingerprint(name, dataset, inputs), **digest_tags(inputs), **commit_tag()}
        there = client.create_run(home, run_name=name, tags=tags)
    identity = there.info.run_id
    client.log_batch(identity, params=[Param(key, str(value)) for key, value in _settings(name, dataset).items()])
    client.log_inputs(identity, [dataset_input(name, dataset, inputs)])
    client.set_terminated(identity)
    return client.get_run(identity)


def summarise(client: "MlflowClient", there: "Run", runs: list[RunRecord | DivergedRun]) -> None:
    """Updates the run of a dataset: scores of held-out and degraded samples, and a table of all scores."""
    identity, known = there.info.run_id, there.data
    scored, _ = parted(runs)
    checks = {name: check for run in scored for name, check in run.score["checks"].items()}
    checks = scale(checks) if checks else {}
    for check, found in checks.items():
        for name, value in found["scores"].items():
            if known.metrics.get(f"{check}_{name}") != value:
                client.log_metric(identity, f"{check}_{name}", value)
    note = _table(runs, checks)
    if known.tags.get(NOTE) != note:
        client.set_tag(identity, NOTE, note)


def dataset_input(name: str, dataset: Dataset, inputs: dict[str, str]) -> "DatasetInput":
    """The MLflow dataset: source, digest of the shards, shape of the samples."""
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
    """The dataset's digest in MLflow: a prefix of the digest of its shards' manifest."""
    return next(iter(inputs.values()))[:DIGEST]


def digest_tags(inputs: dict[str, str]) -> dict[str, str]:
    """Digests of inputs as tags, with keys that are equal for all datasets, so that MLflow shows one column."""
    return {f"digest.{os.path.dirname(path)}": digest for path, digest in inputs.items()}


@cache
def commit_tag() -> dict[str, str]:
    """The current commit, if this is a clone, and uncommitted files other than dvc.lock."""
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


def _table(runs: list[RunRecord | DivergedRun], checks: dict[str, dict[str, Any]]) -> str:
    """Scores by variant, with those of held-out samples and degradations, and what they let one say, as Markdown."""
    [table] = score_tables(runs)
    scores = table.scores
    heads = [f"{score.name} ({score.better})" for score in scores]
    rows = [["variant", "seeds", *heads], ["---"] * (len(heads) + 2)]
    for row in table.rows:
        rows.append([row.variant, str(len(row.runs)), *(str(row.cells.get(score.name, "")) for score in scores)])
    for run in table.diverged:
        rows.append([run.variant, f"seed {run.seed}", str(run.divergence), *[""] * (len(heads) - 1)])
    for check, found in checks.items():
        values = [found["scores"].get(score.name) for score in scores]
        name = "held-out real samples" if check == HELD_OUT else f"{in_words(check)} ones"
        rows.append([name, "", *("" if value is None else f"{value:.4g}" for value in values)])
    lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    said = " ".join([RULE, *sentences(claims_of(table)), *(f"Failed self-check: {flag}." for flag in table.flags)])
    said += "".join(f" {sentence}." for sentence in table.notes)
    return f"Scores of the final weights: means over seeds ± a deviation, with the better direction. {said}\n\n{lines}"
