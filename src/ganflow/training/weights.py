"""Weights as files: safetensors whose header holds, as sorted JSON, what the network is and where it came from."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from ganflow.config import Choice
from ganflow.errors import UserError
from ganflow.networks.interfaces import network_of
from ganflow.training.state import metadata


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a safetensors file and what it says about itself; raises UserError if it is absent or damaged."""
    try:
        content = path.read_bytes()
        return load(content), metadata(content)
    except FileNotFoundError:
        raise UserError(f"{path}: not there; run `dvc repro` to make it") from None
    except (SafetensorError, ValueError, KeyError):
        raise UserError(f"{path}: damaged, or not written by ganflow; delete its folder and run `dvc repro`") from None


def load_generator(path: Path, device: str = "cpu") -> tuple[nn.Module, dict[str, Any]]:
    """The generator in a weights file, in evaluation mode, and the file's header (latent, resolution, iteration, ...)."""
    tensors, about = load_tensors(path)
    network = network_of(Choice(**about["network"]), about["resolution"], str(path))
    module = network.generator(about["resolution"], about["latent"])
    module.load_state_dict(tensors)
    return module.to(device).eval().requires_grad_(False), about
