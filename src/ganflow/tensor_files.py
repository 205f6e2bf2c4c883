"""Tensors as safetensors files with sorted JSON metadata; equal contents give equal bytes."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ganflow.artifacts import write_file
from ganflow.serialization import canonical_json
from ganflow.tensor_metadata import Tensors, absent, damaged, metadata


def save_tensors(path: Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    """Writes tensors with their metadata atomically."""
    write_file(path, packed(tensors, about))


def packed(tensors: dict[str, Tensor], about: dict[str, Any]) -> bytes:
    """The bytes of a safetensors file with metadata {"ganflow": sorted JSON}."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(tensors.items())}
    return save(plain, {"ganflow": canonical_json(about)})


def load_tensors(path: Path) -> tuple[Tensors[Tensor], dict[str, Any]]:
    """The tensors and the metadata of a safetensors file; raises UserError if it is absent or damaged."""
    try:
        content = path.read_bytes()
        return Tensors(path, load(content)), metadata(content)
    except OSError as error:
        raise absent(path, error) from None
    except (SafetensorError, ValueError):
        raise damaged(path) from None
