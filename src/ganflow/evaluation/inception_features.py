"""The network of the extractor `inception`, apart from it so that its weights are fetched without torch."""

import io

import torch
from torch import Tensor, nn

from ganflow.evaluation.extraction import fuse_batch_norms


class InceptionFeatures(nn.Module):
    """torch-fidelity's module, which gives features and logits in one pass."""

    def __init__(self, state: dict[str, Tensor], folded: bool):
        super().__init__()
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        content = io.BytesIO()  # the module unpickles this file, so it gets one written here from tensors
        torch.save(state, content)
        content.seek(0)
        inner = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], content)
        self.inner = fuse_batch_norms(inner) if folded else inner

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.inner(images)
