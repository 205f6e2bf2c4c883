"""Features of images by a fixed network, in batches of one size, so that no number depends on how many images there
are or how they were cut into batches."""

from pathlib import Path

import torch
from torch import Tensor, nn

from ganflow.errors import UserError
from ganflow.progress import Progress

BATCH = 32


@torch.no_grad()
def extract(network: nn.Module, images: Tensor, device: str, what: str) -> tuple[Tensor, Tensor]:
    """Features (n, f) and logits (n, k), float32 on the CPU, of images, uint8 (n, 3, H, W)."""
    network = network.to(device)
    found: list[tuple[Tensor, Tensor]] = []
    with Progress(what, len(images), "images") as progress:
        for batch in images.split(BATCH):
            full = torch.zeros((BATCH, *images.shape[1:]), dtype=torch.uint8)
            full[: len(batch)] = batch
            features, logits = network(full.to(device))
            found.append((features[: len(batch)].float().cpu(), logits[: len(batch)].float().cpu()))
            progress.advance(len(batch))
    features, logits = (torch.cat(parts) for parts in zip(*found, strict=True))
    return features, logits


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file of weights in PyTorch's format, read without unpickling anything else; raises UserError
    if it holds anything else."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # zip, pickle and runtime errors of many kinds
        state = None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"{path}: holds no weights that can be read safely; take the file that the extractor names")
    return state
