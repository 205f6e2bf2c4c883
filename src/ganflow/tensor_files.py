"""Tensors as safetensors files with sorted JSON metadata; equal contents give equal bytes."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ganflow.artifacts import write_file
from ganflow.errors import UserError
from ganflow.serialization import canonical_json


def save_tensors(path: Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    """Writes tensors with their metadata atomically."""
    write_file(path, packed(tensors, about))


def packed(tensors: dict[str, Tensor], about: dict[str, Any]) -> bytes:
    """The bytes of a safetensors file with metadata {"ganflow": sorted JSON}."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(tensors.items())}
    return save(plain, {"ganflow": canonical_json(about)})


def metadata(content: bytes) -> dict[str, Any]:
    """The metadata of a safetensors file; raises SafetensorError if it is not one."""
    length = int.from_bytes(content[:8], "little")
    if length > len(content) - 8:
        raise SafetensorError("the header is longer than the file")
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["ganflow"])


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the metadata of a safetensors file; raises UserError if it is absent or damaged."""
    try:
        content = path.read_bytes()
        return load(content), metadata(content)
    except FileNotFoundError:
        raise UserError(f"{path}: missing; run `dvc repro` to create it") from None
    except (SafetensorError, ValueError, KeyError):
        raise UserError(f"{path}: damaged, or not written by ganflow; delete its folder and run `dvc repro`") from None
