"""The Inception network of the literature's FID and Inception Score: the graph of 2015-12-05, ported to PyTorch with
TensorFlow 1's resize (torch-fidelity, whose module this is). The weights are downloaded or taken from a given file."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from ganflow.config import Sha256
from ganflow.data.fetching import fetch
from ganflow.evaluation.interfaces import Extractor

if TYPE_CHECKING:
    from torch import nn

ADDRESSES = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
)
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
BYTES = 95_628_359


class Inception(Extractor):
    """Features of 2048 values, the last average pooling, and logits of 1008 classes without bias."""

    literature: ClassVar = SHA256
    fetched: ClassVar = True
    bytes: ClassVar = BYTES
    weights: str | None = Field(None, description="path or address of other weights; absent: the published ones")
    sha256: Sha256 | None = Field(None, description="of other weights")
    folded: bool = Field(
        False, description="fold batch norm into the convolutions: faster; features equal to rounding, not to the bit"
    )

    @property
    def resize(self) -> str:
        return "bilinear to 299 x 299 as in TensorFlow 1"

    @property
    def computation(self) -> str:
        return "batch norm folded into the convolutions" if self.folded else ""

    def provide(self, target: Path) -> None:
        if self.weights is None:
            fetch(ADDRESSES, target, SHA256, BYTES)
        else:
            fetch([self.weights], target, self.sha256)

    def network(self, weights: Path) -> "nn.Module":
        from ganflow.evaluation.extraction import load_network  # torch, which `provide` is without
        from ganflow.evaluation.inception_features import InceptionFeatures

        return load_network(partial(InceptionFeatures, folded=self.folded), weights)
