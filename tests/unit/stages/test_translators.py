"""The commands that make samples, with weights that translate images: of held-out images, and of no more than there
are."""

from pathlib import Path

import numpy as np
import pytest
from models import of_a_method, variant
from PIL import Image
from repository import TOP
from trainings import few_statistics as few_statistics  # a fixture that every test here uses
from trainings import settings, trainer, write_splits

from ganflow import config
from ganflow.data.reader import Shards
from ganflow.errors import UserError
from ganflow.evaluation.generated_samples import Given, generate_samples
from ganflow.stages import interpolate, sample
from ganflow.training.weights import load_generator

EXPERIMENT = config.load(TOP / "profiles/tiny.yaml")


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A folder with the shards of `d` where stages have them, and the weights of a translator from its edges."""
    folder = tmp_path_factory.mktemp("translator")
    splits = write_splits(folder / "made")[16]
    (folder / "data/shards").mkdir(parents=True)
    (folder / "made/16").rename(folder / "data/shards/d")
    work = trainer(splits, variant(**of_a_method("unet", "pix2pix", 16)), settings(iterations=2, ema=None))
    work.run(folder / "run")
    work.save(folder / "generator.safetensors", "generator", 2)
    return folder / "generator.safetensors"


def test_samples_are_translations_of_held_out_images(weights, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(weights.parent)
    sample.run(EXPERIMENT, str(weights), 4, 7, None, tmp_path / "images")
    module, about = load_generator(weights)
    given = Given(about, Shards(weights.parent / "data/shards/d/validation"), "cpu")
    expected = generate_samples(module, 4, about["latent"], 4, 7, "cpu", given=given).permute(0, 2, 3, 1).numpy()
    written = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "images").iterdir())]
    assert np.array_equal(np.stack(written), expected)
    assert "4 images of" in capsys.readouterr().out


def test_there_are_no_more_than_held_out_images(weights, tmp_path, monkeypatch):
    monkeypatch.chdir(weights.parent)
    with pytest.raises(UserError, match="--images = 11: .* translates held-out images, and there are 10; lower it"):
        sample.run(EXPERIMENT, str(weights), 11, 7, None, tmp_path / "grid.png")
    assert not (tmp_path / "grid.png").exists()


def test_a_translator_has_no_latent_vectors_to_walk_between(weights, tmp_path):
    with pytest.raises(UserError, match="translates images, and has no latent vectors to walk between"):
        interpolate.run(EXPERIMENT, str(weights), 2, 3, 0, None, tmp_path / "walk.png")
    assert not (tmp_path / "walk.png").exists()
