"""Codes, the inputs of generators: a latent vector, followed by the one-hot class if there are classes."""

import torch
from torch import Tensor


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Labels (n,) int64 in 0..classes-1 as (n, classes) float."""
    return (labels[:, None] == torch.arange(classes, device=labels.device)).float()


def codes(latent: Tensor, labels: Tensor, classes: int) -> Tensor:
    """A generator's input: latent vectors (n, latent) and labels (n,) as (n, latent + classes)."""
    return torch.cat([latent, one_hot(labels, classes).to(latent.dtype)], dim=1)
