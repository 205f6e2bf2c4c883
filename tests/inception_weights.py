"""Weights for the Inception network where the published ones can't be had: random, in the same file format."""

import io
from pathlib import Path

import torch
from torch import nn


def write_random_weights(path: Path) -> str:
    """Writes weights under which features and logits vary from image to image; returns their sha256."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    from ganflow.artifacts import digest_file

    class Blank(FeatureExtractorInceptionV3):
        def load_state_dict(self, state):
            return None

    nothing = io.BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    network = Blank("blank", ["2048"], nothing)
    draw = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan_in = module.weight[0].numel()
            module.weight.copy_(torch.randn(module.weight.shape, generator=draw) * (2 / fan_in) ** 0.5)
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.copy_(1 + 0.1 * torch.randn(module.weight.shape, generator=draw))
            module.running_var.copy_(0.5 + torch.rand(module.running_var.shape, generator=draw))
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), path)
    return digest_file(path)
