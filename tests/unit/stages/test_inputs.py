"""Inputs: whatever is not what its manifest says is named before a stage opens it."""

from pathlib import Path

import pytest
from damage import cut, flip, folder

from ganflow.artifacts import MANIFEST
from ganflow.errors import UserError
from ganflow.stages import inputs
from ganflow.stages.inputs import check_inputs
from ganflow.stages.units import Unit

SHARDS = Path("data/shards/rendered_objects")
DAMAGE = {"has the sha256": flip, "has 0 bytes": lambda path: cut(path, 1), "is missing": Path.unlink}


@pytest.fixture
def training(known) -> Unit:
    return known["train rendered_objects dcgan 0"]


@pytest.mark.parametrize("name", ["inner/note.txt", "journal.csv", "weights.safetensors"])
def test_a_damaged_input_is_named_with_its_cure(training, name):
    assert training.inputs == (SHARDS,)
    check_inputs(training)
    before = (SHARDS / name).read_bytes()
    for fault, damage in (*DAMAGE.items(), ("is missing", folder)):
        damage(SHARDS / name)
        with pytest.raises(UserError, match=f"{training}: its input {SHARDS / name} {fault}.*--repair {SHARDS}"):
            check_inputs(training)
        if (SHARDS / name).is_dir():
            break
        (SHARDS / name).write_bytes(before)
        check_inputs(training)


def test_a_damaged_manifest_of_any_input_is_named(known):
    report = known["report"]
    for at in (report.inputs[0], report.inputs[-1]):
        text = (at / MANIFEST).read_text()
        (at / MANIFEST).write_text(text.replace('"bytes": ', '"bytes": 1'))
        with pytest.raises(UserError, match=f"{at / MANIFEST}: altered"):
            check_inputs(report)
        (at / MANIFEST).write_text(text)
    check_inputs(report)


def test_a_file_that_no_manifest_names_is_refused_but_not_that_of_snakemake(training):
    (SHARDS / ".snakemake_timestamp").touch()
    (SHARDS / "inner/empty").mkdir()
    check_inputs(training)
    (SHARDS / "inner/empty/stray").touch()
    with pytest.raises(UserError, match=f"its input {SHARDS}/inner/empty/stray is not in its manifest"):
        check_inputs(training)


def test_reading_much_shows_how_far_it_is(training, monkeypatch, capfd):
    size = sum(path.stat().st_size for path in SHARDS.rglob("*") if path.is_file() and path.name != MANIFEST)
    for shown in (size + 1, size):
        monkeypatch.setattr(inputs, "SHOWN", shown)
        capfd.readouterr()
        check_inputs(training)
        assert (f"{training}, checking inputs" in capfd.readouterr().err) == (shown == size)
