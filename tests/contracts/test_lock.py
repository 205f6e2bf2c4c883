"""dvc.lock is that of the committed params.yaml and sources, and the README's scores are those in it; nothing is
trained to see that."""

import pytest
from repository import TOP

from ganflow import config
from ganflow.artifacts import read_json
from ganflow.params_file import read_yaml
from ganflow.stages.published_scores import FILE
from ganflow.stages.units import units

pytestmark = pytest.mark.slow  # it fails while sources change, until the experiment is made again
LOCK = read_yaml(TOP / "dvc.lock")["stages"]


def test_the_lock_is_that_of_params_and_sources(monkeypatch):
    monkeypatch.chdir(TOP)
    known = list(units(config.load(), "cpu"))
    assert LOCK.keys() == {"plan", *(unit.kind.address(*unit.axes) for unit in known)}
    recorded = {
        str(unit): LOCK[unit.kind.address(*unit.axes)]["params"]["build/plan.json"][
            ".".join(["units", unit.stage, *unit.axes])
        ]
        for unit in known
    }
    assert recorded == {str(unit): unit.digest for unit in known}, "run `make reproduce` and commit dvc.lock"


def test_the_lock_is_of_portable_arithmetic():
    assert config.load(TOP / "params.yaml").compute.arithmetic == "portable"


def test_the_published_scores_are_in_artifacts_of_the_lock():
    outputs = {out["path"]: out["md5"] for stage in LOCK.values() for out in stage["outs"]}
    runs = read_json(TOP / FILE)["runs"]
    assert len(runs) == sum(stage.startswith("evaluate@") for stage in LOCK)
    assert all(outputs[run["path"]] == run["md5"] for run in runs.values())
    counts = {run["samples"] for run in runs.values()}
    assert f"Scores of {counts.pop():,} samples" in (TOP / "README.md").read_text() and not counts
