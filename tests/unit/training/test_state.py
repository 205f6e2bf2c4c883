"""Checkpoints: damage falls back to the one before, nothing is pickled."""

import pytest
import torch
from safetensors.torch import load_file
from trainings import VARIANTS, Splits, result, settings, trainer, write_splits

from ganflow.training.state import Checkpoints


@pytest.fixture(scope="module")
def splits(tmp_path_factory) -> Splits:
    return write_splits(tmp_path_factory.mktemp("shards"))[16]


def test_a_damaged_checkpoint_falls_back_to_the_one_before(splits, tmp_path, capsys):
    work = trainer(splits, VARIANTS["wgan_gp"])
    expected = result(work, tmp_path, work.run(tmp_path))
    kept = sorted(tmp_path.glob("*.safetensors"))
    assert [int(file.name.split("-")[0]) for file in kept] == [6, 8]
    newest = bytearray(kept[-1].read_bytes())
    newest[len(newest) // 2] ^= 1
    kept[-1].write_bytes(newest)
    again = trainer(splits, VARIANTS["wgan_gp"])
    assert result(again, tmp_path, again.run(tmp_path)) == expected
    assert "damaged; resuming from the previous checkpoint" in capsys.readouterr().err
    assert again.images_used == (2 + 2) * 6  # iterations 6 and 7, two critic steps each


def test_a_checkpoint_cut_short_or_a_partial_one_is_passed_over(splits, tmp_path):
    work = trainer(splits, VARIANTS["dcgan"])
    work.run(tmp_path)
    for file in tmp_path.glob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:50])
    (tmp_path / ".000000009-ab.safetensors.partial").write_bytes(b"half")
    fresh = Checkpoints(tmp_path, work.model.modules, work.optimizers, work.model.state, {}).load()
    assert fresh.iteration == 0 and fresh.journal == [] and fresh.positions == {}


def test_checkpoints_hold_no_pickle(splits, tmp_path):
    trainer(splits, VARIANTS["dcgan"]).run(tmp_path)
    for file in tmp_path.glob("*.safetensors"):
        load_file(file)


def test_the_state_of_a_model_is_restored_in_place(splits, tmp_path):
    work = trainer(splits, VARIANTS["began"], settings(iterations=2))
    work.run(tmp_path)
    [file] = tmp_path.glob("*.safetensors")
    assert load_file(file)["state/k"] == work.model.state["k"] > 0
    again = trainer(splits, VARIANTS["began"], settings(iterations=2))
    held = again.model.state["k"]
    again.run(tmp_path)
    assert again.model.state["k"] is held and torch.equal(held, work.model.state["k"])
