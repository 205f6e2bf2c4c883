"""Weights as files: what was exported loads in plain networks, and other files are refused with a sentence."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from trainings import PLAIN, VARIANTS, Splits, plain, settings, trainer, write_splits

from ganflow.errors import UserError
from ganflow.tensor_files import load_tensors, save_tensors
from ganflow.training.loop import Trainer
from ganflow.training.weights import load_export, load_generator


@pytest.fixture(scope="module")
def splits(tmp_path_factory) -> Splits:
    return write_splits(tmp_path_factory.mktemp("shards"))[16]


@pytest.fixture(scope="module")
def normalised(splits, tmp_path_factory) -> tuple[Trainer, dict]:
    """A training with spectral norm in generator and critic, and its files by their names."""
    ten = {"spectral_norm": {"iterations": 10}}
    chosen = plain(constraint=ten, generator_constraint=ten, critic_steps=1)
    work = trainer(splits, chosen, settings(iterations=3, ema=0))
    folder = tmp_path_factory.mktemp("normalised")
    work.run(folder)
    for file in work.exported():
        work.save(folder / f"{file}.safetensors", file, 3)
    return work, {file: folder / f"{file}.safetensors" for file in work.exported()}


@pytest.mark.parametrize("file", ["generator", "critic"])
def test_the_largest_singular_value_of_every_exported_layer_is_one(normalised, file):
    work, files = normalised
    before = torch.nn.utils.parametrize.is_parametrized
    layers = [name for name, layer in work.model.modules[file].named_modules() if before(layer)]
    tensors = load_file(files[file])
    assert len(layers) > 2 and {f"{name}.weight" for name in layers} <= tensors.keys()
    assert not any("parametrizations" in name for name in tensors)
    for name in layers:
        weight = tensors[f"{name}.weight"].double()
        transposed = isinstance(work.model.modules[file].get_submodule(name), nn.ConvTranspose2d)
        matrix = (weight.transpose(0, 1) if transposed else weight).flatten(1).numpy()
        sigma = np.linalg.svd(matrix, compute_uv=False)[0]
        assert sigma == pytest.approx(1, abs=0.05), name  # the power iteration is a step behind the weights


def test_exported_weights_give_the_same_images_in_a_plain_network(normalised):
    work, files = normalised
    module, about = load_generator(files["generator"])
    assert not any(hasattr(layer, "parametrizations") for layer in module.modules())
    module.to(memory_format=torch.channels_last)  # another layout may round otherwise
    latent = torch.randn(6, about["latent"])
    with torch.no_grad():
        assert torch.equal(module(latent), work.model.modules["generator"].eval()(latent))
    critic, about = load_export(files["critic"])
    critic.to(memory_format=torch.channels_last)
    images = torch.randn(3, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(critic(images), work.model.modules["critic"].eval()(images))
    assert (about["takes"], about["gives"]) == ("samples", "scores")


def test_a_generator_of_dequantised_images_is_scaled(splits, tmp_path):
    work = trainer(splits, plain(), settings(iterations=1, dequantise=True, ema=0))
    work.save(tmp_path / "g.safetensors", "generator", 0)
    module, about = load_generator(tmp_path / "g.safetensors")
    module.to(memory_format=torch.channels_last)
    latent = torch.randn(2, 5)
    with torch.no_grad():
        assert torch.equal(module(latent), 256 / 255 * work.model.modules["generator"].eval()(latent))
    assert about["scale"] == 256 / 255


def test_what_is_no_generator_is_refused(splits, tmp_path):
    work = trainer(splits, VARIANTS["vae"], settings(iterations=1))
    for file in ("encoder", "generator_ema"):
        work.save(tmp_path / f"{file}.safetensors", file, 0)
    with pytest.raises(UserError, match="encoder.safetensors: holds no generator; choose generator.safetensors or"):
        load_generator(tmp_path / "encoder.safetensors")
    module, about = load_export(tmp_path / "encoder.safetensors")
    assert module(torch.zeros(2, 3, 16, 16)).shape == (2, 10) and about["gives"] == "latent"
    load_generator(tmp_path / "generator_ema.safetensors")


def test_files_that_hold_something_else_are_refused(splits, tmp_path):
    with pytest.raises(UserError, match="absent.safetensors: missing; run `dvc repro`"):
        load_tensors(tmp_path / "absent.safetensors")
    save_file({"a": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    (tmp_path / "text.safetensors").write_text("no weights" * 10)
    for name in ("foreign", "text"):
        with pytest.raises(UserError, match="damaged, or not written by ganflow"):
            load_tensors(tmp_path / f"{name}.safetensors")
    save_tensors(tmp_path / "points.safetensors", {"points": torch.zeros(2)}, {"iteration": 1})
    with pytest.raises(UserError, match="does not hold the weights of a network; choose a file such as"):
        load_export(tmp_path / "points.safetensors")
    work = trainer(splits, plain(network=PLAIN), settings(iterations=1, ema=0))
    work.save(tmp_path / "g.safetensors", "generator", 0)
    tensors, about = load_tensors(tmp_path / "g.safetensors")
    save_tensors(tmp_path / "other.safetensors", dict(list(tensors.items())[1:]), about)
    with pytest.raises(UserError, match="its weights do not match the network in its metadata"):
        load_export(tmp_path / "other.safetensors")


def test_equal_weights_are_equal_bytes(splits, tmp_path):
    work = trainer(splits, plain(), settings(iterations=1, ema=0))
    for name in ("a", "b"):
        work.save(tmp_path / f"{name}.safetensors", "generator", 0)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
