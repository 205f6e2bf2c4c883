"""What a training leaves: outputs by the inputs with which it began, or a record of its divergence, or nothing."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from ganflow import config
from ganflow.artifacts import read_json, read_manifest, write_file, write_manifest
from ganflow.errors import UserError
from ganflow.stages import train
from ganflow.stages.units import Unit
from ganflow.training.divergence import Diverged, Divergence
from ganflow.training.written_files import described

TRAIN = "train rendered_objects dcgan 0"
SHARDS = Path("data/shards/rendered_objects")
JOURNAL = [{"iteration": 1, "loss": 0.5}, {"iteration": 2, "loss": 0.25}]
DIVERGENCE = Divergence(iteration=3, values={"loss": "nan"}, finite_until=2, snapshot=2, remedy="lower it")


class Trainer:
    """Trains nothing: writes a sample beside its checkpoints; then, what a test sets as `meanwhile` happens."""

    images_used = 10
    meanwhile = staticmethod(lambda: None)

    def __init__(self, *arguments):
        self.about = arguments[-1]

    def run(self, folder: Path) -> SimpleNamespace:
        write_file(folder / "samples/000000002.png", b"picture")
        self.files = described(folder, [folder / "samples/000000002.png"])
        type(self).meanwhile()
        return SimpleNamespace(journal=JOURNAL, files=self.files)

    def exported(self) -> list[str]:
        return ["generator"]

    def save(self, path: Path, name: str, iteration: int) -> None:
        path.write_text(f"{name} at {iteration}")


@pytest.fixture
def training(known, monkeypatch) -> Unit:
    """A training by the stand-in, whose output is there from before."""
    model = SimpleNamespace(latent=5, classes=0, flags=lambda journal: [f"{len(journal)} rows"])
    split = SimpleNamespace(classes=(), first=None, shape=(16, 16, 3))
    monkeypatch.setattr(train, "compute_on", lambda *_, **__: "cpu")
    monkeypatch.setattr(train, "Shards", lambda *_: split)
    monkeypatch.setattr(train, "method_of", lambda task: SimpleNamespace(build=lambda *_: model))
    monkeypatch.setattr(train, "describe", lambda model: {})
    monkeypatch.setattr(train, "Trainer", Trainer)
    monkeypatch.setattr(Trainer, "meanwhile", staticmethod(lambda: None))
    return known[TRAIN]


def run() -> None:
    train.run(config.load(), "rendered_objects", "dcgan", "0")


def test_a_training_leaves_its_journal_files_weights_and_flags(training):
    run()
    about = read_manifest(training.output)
    assert list(about["outputs"]) == ["generator.safetensors", "journal.csv", "samples/000000002.png"]
    assert about["flags"] == ["2 rows"] and (training.output / "generator.safetensors").read_text() == "generator at 6"
    assert (training.output / "journal.csv").read_text() == "iteration,loss\n1,0.5\n2,0.25\n"
    log = read_json(Path("logs/train/rendered_objects-dcgan-0.json"))
    assert log["device"] == "cpu" and log["images_per_second"] > 0


def test_a_training_whose_input_was_made_again_meanwhile_is_refused_and_the_old_output_stays(training, monkeypatch):
    def made_again() -> None:
        write_file(SHARDS / "journal.csv", "others")
        write_manifest(SHARDS, {})

    before = read_manifest(training.output)
    monkeypatch.setattr(Trainer, "meanwhile", staticmethod(made_again))
    with pytest.raises(UserError, match=f"{TRAIN}: its input {SHARDS} was made again while it trained; run it again"):
        run()
    assert read_manifest(training.output) == before


def test_a_training_that_diverged_leaves_a_record_and_no_weights(training, monkeypatch, capfd):
    def diverge() -> None:
        raise Diverged(DIVERGENCE, JOURNAL[:1])

    monkeypatch.setattr(Trainer, "meanwhile", staticmethod(diverge))
    run()
    about = read_manifest(training.output)
    assert list(about["outputs"]) == ["divergence.json", "journal.csv"] and about["flags"] == []
    assert (training.output / "journal.csv").read_text() == "iteration,loss\n1,0.5\n"
    assert f"{TRAIN} diverged at iteration 3: loss is nan" in capfd.readouterr().err


def test_a_file_that_was_altered_after_it_was_written_is_in_no_output(training, monkeypatch):
    before = read_manifest(training.output)

    def alter() -> None:
        [picture] = Path("build/scratch/train").glob("*/samples/*.png")
        picture.write_bytes(b"another")

    monkeypatch.setattr(Trainer, "meanwhile", staticmethod(alter))
    with pytest.raises(UserError, match=r"000000002.png: is not what the training wrote; run it again"):
        run()
    assert read_manifest(training.output) == before
    assert not Path("logs/train/rendered_objects-dcgan-0.json").exists()  # it is not finished
