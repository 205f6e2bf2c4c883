"""DualGAN (Yi et al., arXiv 1704.02510): translations between two domains without pairs, there and back."""

from typing import ClassVar

from pydantic import Field

from ganflow.methods.constraints.weight_clipping import WeightClipping
from ganflow.methods.objectives.wasserstein import Wasserstein
from ganflow.methods.two_domains import TwoDomains


class DualGAN(TwoDomains):
    """WGAN's loss for both critics, whose weights are clipped, and the L1 distance of images that were translated there
    and back (equations 1 to 3, Algorithm 1, whose optimiser is RMSProp)."""

    about: ClassVar = "DualGAN (arXiv 1704.02510): as CycleGAN, with WGAN's loss and clipped critics"
    objective: ClassVar = Wasserstein()
    constraint: ClassVar = WeightClipping()
    power: ClassVar = 1
    weight: float = Field(100.0, ge=0, description="lambda of the way there and back; 100 to 1,000 in the paper")
    buffer: int = Field(0, ge=0, le=100_000, description="earlier translations for the critics; the paper has none")
    critic_steps: int = Field(2, ge=1, le=100, description="critic updates for each update of the translators")
