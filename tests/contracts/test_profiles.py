"""Every profile goes through the code that needs no data: plan, status, and what MLflow shows of its datasets."""

import json

import pytest
from repository import TOP

from ganflow import config
from ganflow.components import component_class
from ganflow.data.interfaces import Format
from ganflow.reporting.dataset_entry import dataset_input, fingerprint
from ganflow.stages.cli import main

PROFILES = sorted((TOP / "profiles").glob("*.yaml"))
INPUTS = {"data/shards/x/train": "0123456789abcdef" * 4, "data/shards/x/validation": "fedcba9876543210" * 4}
DATASETS = [
    pytest.param(name, dataset, id=f"{profile.stem}-{name}")
    for profile in PROFILES
    for name, dataset in config.load(profile).datasets.items()
]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_a_profile_is_planned_and_nothing_of_it_is_done(profile, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_bytes(profile.read_bytes())
    experiment = config.load()
    assert main(["plan"]) == 0
    planned = (tmp_path / "build/plan.yaml").read_text()
    for run in experiment.runs:
        assert f'"{run.dataset}"' in planned and f'"{run.variant}"' in planned
    capsys.readouterr()
    assert main(["status"]) == 0
    said = capsys.readouterr().out
    assert f"experiment {experiment.experiment}: " in said and f"{len(experiment.runs)} train" in said


@pytest.mark.parametrize(("name", "dataset"), DATASETS)
def test_a_dataset_is_an_input_of_runs_in_mlflow(name, dataset):
    shown = dataset_input(name, dataset, INPUTS).dataset
    assert (shown.name, shown.digest) == (name, "0123456789ab")
    assert len(fingerprint(name, dataset, INPUTS)) == 64
    assert str([-1, *dataset.shape]) in shown.schema
    source = json.loads(shown.source)
    if dataset.source.name == "official":
        form = component_class(Format, dataset.format, "datasets")
        assert source == {"url": form.archives[0].urls[0]}
    else:
        assert source["tags"] == {"mlflow.source.name": f"ganflow.data.sources.{dataset.source.name}"}
