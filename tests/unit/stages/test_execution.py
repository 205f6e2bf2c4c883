"""What stages have in common: whose scratch folder it is, outputs that are whole or the old ones, locks, and logs."""

import os
import sys
from pathlib import Path

import pytest
import torch

from ganflow import config, locks
from ganflow.artifacts import read_json, read_manifest
from ganflow.errors import UserError
from ganflow.locks import holder
from ganflow.stages import execution
from ganflow.stages.execution import (
    PLAN,
    WHOSE,
    claim_gpu,
    device_of,
    fingerprint,
    gpu_facts,
    lock_path,
    only_writer,
    outputs,
    scratch_of,
    write_log,
)
from ganflow.stages.units import Unit

TRAIN = "train rendered_objects dcgan 0"


@pytest.fixture
def training(known) -> Unit:
    """A training of an experiment that is finished, in the current folder."""
    return known[TRAIN]


def test_the_device_is_that_of_the_parameters_or_of_the_plan(training):
    params = Path("params.yaml")
    assert device_of(config.load()) == "cpu"
    params.write_text(params.read_text().replace("device: cpu", "device: cuda"))
    assert device_of(config.load()) == "cuda"
    params.write_text(params.read_text().replace("device: cuda", "device: auto"))
    with pytest.raises(UserError, match=f"{PLAN}: missing, and params.yaml has compute.device = auto; run `"):
        device_of(config.load())
    PLAN.parent.mkdir(exist_ok=True)
    for content in ('{"device": "tpu", "units": {}}', '{"device": "cpu"}', "[]", "{"):
        PLAN.write_text(content)
        with pytest.raises(UserError, match=f"{PLAN}: .*run `python -m ganflow plan`, which writes it anew"):
            device_of(config.load())
    PLAN.write_text('{"device": "cuda", "units": {}}')
    assert device_of(config.load()) == "cuda"


def test_each_gpu_is_claimed_once_and_who_comes_later_shares_the_first(training):
    PLAN.parent.mkdir(exist_ok=True)
    held = len(execution._HELD)
    try:
        assert [claim_gpu(2) for _ in range(3)] == [0, 1, 0]
    finally:
        for lock in execution._HELD[held:]:
            lock.release()
        del execution._HELD[held:]


def test_an_output_has_one_writer(training, monkeypatch):
    monkeypatch.setattr(locks, "PATIENCE", 0)
    with only_writer(training):
        assert f"process {os.getpid()} " in holder(lock_path(training))
        with pytest.raises(UserError, match=f"{TRAIN}: process {os.getpid()}"), only_writer(training):
            raise AssertionError("two at once")
    assert lock_path(training) == Path("build/locks/train-rendered_objects-dcgan-0.lock")


def test_a_scratch_folder_says_whose_it_is(training):
    folder = scratch_of(training, fingerprint(training))
    about = {"unit": TRAIN, "digest": training.digest}
    assert read_json(folder / WHOSE) == about
    (folder / "state").touch()
    (folder / WHOSE).unlink()
    (folder / WHOSE).mkdir()
    assert scratch_of(training, fingerprint(training)) == folder and (folder / "state").exists()
    assert read_json(folder / WHOSE) == about


def test_outputs_are_whole_with_a_manifest_of_their_origin_or_the_old_ones(training):
    before = read_manifest(training.output)
    with pytest.raises(ZeroDivisionError), outputs(training) as partial:
        (partial / "file").write_text("half")
        raise ZeroDivisionError
    assert read_manifest(training.output) == before
    known: dict[str, str] = {}
    with outputs(training, {"flags": ["one"]}, known) as partial:
        (partial / "file").write_text("text")
        known["file"] = "f" * 64
    about = read_manifest(training.output)
    assert about["outputs"] == {"file": {"bytes": 4, "sha256": "f" * 64}} and about["flags"] == ["one"]
    assert about["fingerprint"] == fingerprint(training) and about["digest"] == training.digest
    assert about["inputs"] == training.input_digests() and about["unit"] == list(training.axes)


def test_a_log_is_added_to_begun_anew_if_damaged_and_missed_by_nobody(training, capfd):
    log = Path("logs/train/rendered_objects-dcgan-0.json")
    write_log(training, seconds=1.5)
    write_log(training, host="here")
    assert read_json(log) == {"seconds": 1.5, "host": "here"}
    log.write_text("{")
    write_log(training, host="here")
    assert read_json(log) == {"host": "here"} and not capfd.readouterr().err
    log.unlink()
    log.mkdir()
    write_log(training, host="here")
    said = f"{log}: not written (Is a directory); {TRAIN} is finished all the same"
    assert said in capfd.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_the_log_names_none(monkeypatch):
    assert gpu_facts() == {}
    monkeypatch.delitem(sys.modules, "torch")
    assert gpu_facts() == {}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_gpu_is_named_with_the_peak_of_its_memory():
    torch.ones(2**20, device="cuda")
    assert gpu_facts()["gpu"] == torch.cuda.get_device_name() and gpu_facts()["peak_device_memory_mib"] >= 4
