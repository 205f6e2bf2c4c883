"""The network of the extractor `efficientnet_lite0`, apart from it so that its weights are fetched without torch."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ganflow.evaluation.extraction import fuse_batch_norms


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
