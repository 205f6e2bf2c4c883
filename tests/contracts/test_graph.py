"""dvc.yaml and workflow/runs.yaml state what the code states: stages, commands, inputs, outputs, runs."""

import pytest
from repository import TOP
from ruamel.yaml import YAML

from ganflow import config
from ganflow.stages import runs
from ganflow.stages.graph import RUN, STAGES, Stage

DVC = YAML(typ="safe").load((TOP / "dvc.yaml").read_text())


def template(stage: Stage) -> str:
    return stage.output.format(experiment="${experiment}", **{axis: f"${{item.{axis}}}" for axis in stage.axes})


def expected(stage: Stage) -> dict:
    axes = [f"${{item.{axis}}}" for axis in stage.axes]
    params = [{"build/plan.json": [".".join(["units", stage.name, *axes])]}]
    inputs = [STAGES[name] for name in stage.inputs]
    folders = [template(before).partition("/${item.")[0] for before in inputs]  # a report's inputs are of all runs
    if not stage.reads_manifests:
        params += [{f"{template(before)}/manifest.json": ["content"]} for before in inputs]
    stated = {"cmd": " ".join(["python -m ganflow", stage.name, *axes]), "params": params, "outs": [template(stage)]}
    if stage.reads_manifests:
        stated["deps"] = folders
    if stage.axes == RUN:
        return {"foreach": "${runs}", "do": stated}
    return stated | ({"matrix": {"dataset": "${datasets}"}} if stage.axes else {})


def test_dvc_has_the_stages_of_the_graph_and_the_plan():
    assert list(DVC["stages"]) == ["plan", *STAGES]
    assert DVC["vars"] == [runs.RUNS.as_posix()]


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_dvc_states_the_graph(stage):
    assert DVC["stages"][stage.name] == expected(stage)


def test_stages_stand_in_an_order_in_which_they_can_be_done():
    names = list(STAGES)
    assert all(names.index(before) < names.index(stage.name) for stage in STAGES.values() for before in stage.inputs)


def test_the_committed_list_of_runs_is_that_of_the_committed_parameters():
    assert (TOP / runs.RUNS).read_text() == runs.as_yaml(config.load(TOP / "params.yaml"))


def test_a_run_that_a_variant_does_not_name_is_in_no_list(tmp_path):
    text = (TOP / "profiles/tiny.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("  dcgan: {", "  dcgan: {datasets: [rendered_objects], "))
    listed = YAML(typ="safe").load(runs.as_yaml(config.load(tmp_path / "params.yaml")))["runs"]
    assert set(listed) == {
        "rendered_bedrooms-wgan_gp-0",
        "rendered_objects-dcgan-0",
        "rendered_objects-wgan_gp-0",
    }
    assert listed["rendered_objects-dcgan-0"] == {"dataset": "rendered_objects", "variant": "dcgan", "seed": 0}
