"""Weights as files: the header of a file describes its network and origin."""

from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganflow.artifacts import cure
from ganflow.config import Choice
from ganflow.errors import UserError
from ganflow.networks.building import Blueprint, network_of
from ganflow.networks.interfaces import Network
from ganflow.networks.layers import Scaled
from ganflow.params_file import checked
from ganflow.tensor_files import load_tensors
from ganflow.training.description import Header


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
    checked(Header, about, file=str(path), remedy=cure(Path(path)))
    blueprint = Blueprint(Choice(**about["network"]), about["part"], about["arguments"])
    try:
        family = network_of(blueprint.network, tuple(about["shape"]), "network")
    except UserError as unknown:
        raise UserError(
            f"{path}: its metadata name no network of this version ({unknown}); {cure(Path(path))}"
        ) from None
    if _shapes(blueprint, family) != {name: tensor.shape for name, tensor in tensors.items()}:
        raise UserError(f"{path}: its weights do not match the network in its metadata; {cure(Path(path))}")
    module = blueprint.module(family)
    module.load_state_dict(tensors)
    if about["scale"] != 1:
        module = nn.Sequential(module, Scaled(about["scale"]))
    return module.to(device).eval().requires_grad_(False), about


def _shapes(blueprint: Blueprint, family: Network) -> dict[str, torch.Size] | None:
    """{name: shape} of a module's state, found without its memory, of which a damaged header may ask any amount; None
    if the family can't make it."""
    try:
        try:
            module = _without_memory(blueprint, family)
        except NotImplementedError:
            # stages.meta_kernels defers the import of some operations' kernels until a name is read
            _ = import_module("torch._meta_registrations").register_meta
            module = _without_memory(blueprint, family)
    except (TypeError, ValueError, RuntimeError, ArithmeticError, MemoryError):
        return None
    return {name: tensor.shape for name, tensor in module.state_dict().items()}


def _without_memory(blueprint: Blueprint, family: Network) -> nn.Module:
    with torch.device("meta"):
        return blueprint.module(family)


def load_generator(path: Path | str, device: str = "cpu") -> tuple[nn.Module, dict[str, Any]]:
    """The generator in a weights file, in evaluation mode, and the file's metadata (latent, iteration, ...).

    It maps (n, latent) float32, standard normal, to images, (n, 3, H, W) in [-1, 1], or points, (n, d), of the `shape`
    in the file; with classes it takes (n, latent + classes), the one-hot class after the latent vector
    (`networks.codes.codes`); one that translates takes (n, latent) and images, (n, channels, h, w) in [-1, 1]. Raises
    UserError if the file is absent, damaged or holds no generator.
    """
    module, about = load_export(path, device)
    if about["gives"] != "samples":
        raise UserError(f"{path}: holds no generator; choose generator.safetensors or generator_ema.safetensors")
    taken = about["arguments"]
    if about["part"] == "translator":
        if not about.get("translation"):
            raise UserError(f"{path}: does not say what it translates; {cure(Path(path))}")
    elif (taken.get("latent"), taken.get("classes", 0)) != (about["latent"], about["classes"]):
        raise UserError(f"{path}: takes other vectors than its metadata say; choose generator.safetensors")
    return module, about
