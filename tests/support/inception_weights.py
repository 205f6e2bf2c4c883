"""The Inception network where its published weights can't be had: random ones, in the same file format."""

import io
from pathlib import Path

import pytest
import torch
from torch import nn

from ganflow.artifacts import digest_file


def pictures(count: int, side: int = 32, seed: int = 0) -> torch.Tensor:
    """Smooth ones, uint8 (n, 3, side, side)."""
    coarse = torch.rand(count, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    fine = nn.functional.interpolate(coarse, (side, side), mode="bicubic", align_corners=False)
    return (255 * fine).clamp(0, 255).byte()


def random_inception() -> nn.Module:
    """torch-fidelity's own module with weights at random, whose batch norms know the pictures."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    nothing = io.BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        module = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], nothing)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.weight.uniform_(0.5, 1.5), layer.bias.normal_(0, 0.3)
            layer.momentum = None  # the mean of all batches, here one
    with torch.no_grad():
        module.train()(pictures(4, seed=1))
    return module.eval()


def write_random_weights(path: Path) -> str:
    """Writes its weights; returns their sha256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(random_inception().state_dict(), path)
    return digest_file(path)
