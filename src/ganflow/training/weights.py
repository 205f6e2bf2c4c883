"""Weights as files: safetensors whose header holds, as sorted JSON, what the network is and where it came from."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from ganflow.artifacts import write_file
from ganflow.config import Choice
from ganflow.errors import UserError
from ganflow.networks.building import Blueprint, network_of
from ganflow.networks.layers import Scaled
from ganflow.serialization import canonical_json


def save_tensors(path: Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    """Writes weights as safetensors with one metadata key of sorted JSON, so that equal contents are equal bytes."""
    write_file(path, packed(tensors, about))


def packed(tensors: dict[str, Tensor], about: dict[str, Any]) -> bytes:
    """The bytes of a safetensors file with metadata {"ganflow": sorted JSON}."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(tensors.items())}
    return save(plain, {"ganflow": canonical_json(about)})


def metadata(content: bytes) -> dict[str, Any]:
    """What a safetensors file says about itself under the key "ganflow"; raises SafetensorError if it is not one."""
    length = int.from_bytes(content[:8], "little")
    if length > len(content) - 8:
        raise SafetensorError("the header is longer than the file")
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["ganflow"])


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a safetensors file and what it says about itself; raises UserError if it is absent or damaged."""
    try:
        content = path.read_bytes()
        return load(content), metadata(content)
    except FileNotFoundError:
        raise UserError(f"{path}: not there; run `dvc repro` to make it") from None
    except (SafetensorError, ValueError, KeyError):
        raise UserError(f"{path}: damaged, or not written by ganflow; delete its folder and run `dvc repro`") from None


def plain_weights(module: nn.Module) -> dict[str, Tensor]:
    """A module's state, with each parametrised weight (as by spectral_norm) as the value that it takes."""
    found = {name: tensor for name, tensor in module.state_dict().items() if ".parametrizations." not in f".{name}"}
    for path, layer in module.named_modules():
        for name in getattr(layer, "parametrizations", ()):
            found[f"{path}.{name}" if path else name] = getattr(layer, name)
    return found


def load_export(path: Path | str, device: str = "cpu") -> tuple[nn.Module, dict[str, Any]]:
    """The module in a weights file (a generator, a critic, an encoder), in evaluation mode, and what the file says of
    it (takes, gives, iteration, ...). Raises UserError if the file is absent or damaged."""
    tensors, about = load_tensors(Path(path))
    if "part" not in about:
        raise UserError(f"{path}: holds no network's weights; choose a file such as generator.safetensors")
    blueprint = Blueprint(Choice(**about["network"]), about["part"], about["arguments"])
    module = blueprint.module(network_of(blueprint.network, tuple(about["shape"]), str(path)))
    try:
        module.load_state_dict(tensors)
    except RuntimeError:
        raise UserError(f"{path}: its weights do not fit the network that it names; run `dvc repro` again") from None
    if about["scale"] != 1:
        module = nn.Sequential(module, Scaled(about["scale"]))
    return module.to(device).eval().requires_grad_(False), about


def load_generator(path: Path | str, device: str = "cpu") -> tuple[nn.Module, dict[str, Any]]:
    """The generator in a weights file, in evaluation mode, and what the file says of it (latent, iteration, ...).

    It maps (n, latent) float32, standard normal, to images, (n, 3, H, W) in [-1, 1], or points, (n, d), of the `shape`
    in the file; with classes it takes (n, latent + classes), the class one-hot behind the latent vector
    (`networks.codes.codes`). Raises UserError if the file is absent, damaged or holds no generator.
    """
    module, about = load_export(path, device)
    if (about["takes"], about["gives"]) != ("latent", "samples"):
        raise UserError(f"{path}: holds no generator; choose generator.safetensors or generator_ema.safetensors")
    return module, about
