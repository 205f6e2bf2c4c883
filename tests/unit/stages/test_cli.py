"""The command line around a stage: its inputs are read, its output has one writer, and its log says what it took."""

import os
from pathlib import Path

import pytest
from damage import flip

from ganflow import arithmetic, locks, progress
from ganflow.artifacts import read_json
from ganflow.locks import held, holder
from ganflow.stages import cli, plan, status, train
from ganflow.stages.cli import main
from ganflow.stages.execution import lock_path

TRAIN = ["train", "rendered_objects", "dcgan", "0"]


@pytest.fixture
def ran(known, monkeypatch) -> list[dict]:
    """In a folder with a finished experiment, trainings compute nothing: how they were called."""
    monkeypatch.setattr(locks, "PATIENCE", 0)
    calls: list[dict] = []
    monkeypatch.setattr(train, "run", lambda experiment, **chosen: calls.append(chosen))
    yield calls
    progress._log = None


def test_a_training_begins_when_its_inputs_were_read_and_only_then(ran, capfd):
    shard = Path("data/shards/rendered_objects/weights.safetensors")
    assert main(TRAIN) == 0 and ran == [{"dataset": "rendered_objects", "variant": "dcgan", "seed": "0"}]
    before = shard.read_bytes()
    flip(shard)
    assert main(TRAIN) == 2 and len(ran) == 1
    assert f"train rendered_objects dcgan 0: its input {shard} has the sha256 " in capfd.readouterr().err
    shard.write_bytes(before)
    assert main(TRAIN) == 0 and len(ran) == 2


def test_a_training_holds_its_lock_while_it_runs_and_a_second_one_is_refused(known, ran, monkeypatch, capfd):
    unit = known[" ".join(TRAIN)]
    seen = []
    monkeypatch.setattr(train, "run", lambda *_, **__: seen.append(holder(lock_path(unit))))
    assert main(TRAIN) == 0 and f"process {os.getpid()} " in seen[0] and holder(lock_path(unit)) is None
    with held(lock_path(unit), "another"):
        assert main(TRAIN) == 2
    assert len(seen) == 1 and f"{unit}: process {os.getpid()} on " in capfd.readouterr().err


def test_what_a_training_took_is_in_its_log_once_it_is_done(ran, monkeypatch):
    log, there = Path("logs/train/rendered_objects-dcgan-0"), []
    monkeypatch.setattr(train, "run", lambda *_, **__: there.append(log.with_suffix(".json").exists()))
    assert main(TRAIN) == 0 and there == [False]
    about = read_json(log.with_suffix(".json"))
    assert {"seconds", "finished", "peak_memory_mib", "host"} <= about.keys()
    assert 0 <= about["seconds"] < 60 and 10 < about["peak_memory_mib"] < 10**6 and about["finished"] > 1.5e9
    assert f"{' '.join(TRAIN)}: started on " in log.with_suffix(".log").read_text()


@pytest.mark.slow
def test_plans_are_made_one_after_another_and_other_commands_wait_for_none(ran, monkeypatch):
    seen = {}
    for name, module in (("plan", plan), ("status", status)):
        monkeypatch.setattr(module, "run", lambda *_, name=name, **__: seen.update({name: holder(cli.PLANNING)}))
        assert main([name]) == 0
    assert f"process {os.getpid()} " in seen["plan"] and seen["status"] is None


@pytest.mark.parametrize("code", [None, 0, 3])
def test_the_exit_code_is_that_of_the_command(ran, monkeypatch, code):
    monkeypatch.setattr(status, "run", lambda *_, **__: code)
    assert main(["status"]) == (code or 0)


def test_portable_arithmetic_is_refused_by_what_computes_and_what_plans_it_alone(ran, monkeypatch, capfd):
    monkeypatch.setattr(arithmetic, "refusal", lambda: "this machine has none")
    monkeypatch.setattr(arithmetic, "configure", lambda *settings: None)
    monkeypatch.setattr(status, "run", lambda *_, **__: 0)
    monkeypatch.setattr(plan, "run", lambda *_, **__: 0)
    for command, code in ((TRAIN, 2), (["plan"], 2), (["status"], 0)):
        assert main(command) == code
        assert ("this machine has none" in capfd.readouterr().err) == (code == 2)
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("device: cpu", "device: cpu, arithmetic: native"))
    assert main(["plan"]) == 0 and not ran


def test_no_window_is_opened_for_a_figure(ran, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "module://somebody.elses")
    assert main(TRAIN) == 0 and os.environ["MPLBACKEND"] == "agg"


def test_the_arithmetic_of_the_parameters_is_set_before_anything_is_computed(ran, monkeypatch):
    configured = []
    monkeypatch.setattr(arithmetic, "configure", lambda *settings: configured.append((*settings, len(ran))))
    assert main(TRAIN) == 0 and configured == [(1, "portable", 0)] and len(ran) == 1
