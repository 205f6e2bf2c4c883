"""Weights as files: the header of a file describes its network and origin."""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ganflow.config import Choice
from ganflow.errors import UserError
from ganflow.networks.building import Blueprint, network_of
from ganflow.networks.layers import Scaled
from ganflow.tensor_files import load_tensors


def plain_weights(module: nn.Module) -> dict[str, Tensor]:
    """A module's state, with parametrised weights, such as those of spectral_norm, replaced by their values."""
    found = {name: tensor for name, tensor in module.state_dict().items() if ".parametrizations." not in f".{name}"}
    for path, layer in module.named_modules():
        for name in getattr(layer, "parametrizations", ()):
            found[f"{path}.{name}" if path else name] = getattr(layer, name)
    return found


def load_export(path: Path | str, device: str = "cpu") -> tuple[nn.Module, dict[str, Any]]:
    """The module in a weights file (a generator, a critic, an encoder), in evaluation mode, and the file's metadata
    (takes, gives, iteration, ...). Raises UserError if the file is absent or damaged."""
    tensors, about = load_tensors(Path(path))
    if "part" not in about:
        raise UserError(f"{path}: does not hold the weights of a network; choose a file such as generator.safetensors")
    blueprint = Blueprint(Choice(**about["network"]), about["part"], about["arguments"])
    module = blueprint.module(network_of(blueprint.network, tuple(about["shape"]), str(path)))
    try:
        module.load_state_dict(tensors)
    except RuntimeError:
        raise UserError(
            f"{path}: its weights do not match the network in its metadata; run `dvc repro` again"
        ) from None
    if about["scale"] != 1:
        module = nn.Sequential(module, Scaled(about["scale"]))
    return module.to(device).eval().requires_grad_(False), about


def load_generator(path: Path | str, device: str = "cpu") -> tuple[nn.Module, dict[str, Any]]:
    """The generator in a weights file, in evaluation mode, and the file's metadata (latent, iteration, ...).

    It maps (n, latent) float32, standard normal, to images, (n, 3, H, W) in [-1, 1], or points, (n, d), of the `shape`
    in the file; with classes it takes (n, latent + classes), the one-hot class after the latent vector
    (`networks.codes.codes`). Raises UserError if the file is absent, damaged or holds no generator.
    """
    module, about = load_export(path, device)
    if (about["takes"], about["gives"]) != ("latent", "samples"):
        raise UserError(f"{path}: holds no generator; choose generator.safetensors or generator_ema.safetensors")
    return module, about
