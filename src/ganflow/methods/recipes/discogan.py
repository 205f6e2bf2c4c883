"""DiscoGAN (Kim et al., arXiv 1703.05192): translations between two domains without pairs, there and back."""

from typing import ClassVar

from pydantic import Field

from ganflow.methods.constraints.none import Unconstrained
from ganflow.methods.objectives.non_saturating import NonSaturating
from ganflow.methods.two_domains import TwoDomains


class DiscoGAN(TwoDomains):
    """The GAN's loss for both critics, and the squared distance of images that were translated there and back, with
    equal weights (equations 3 to 8)."""

    about: ClassVar = "DiscoGAN (arXiv 1703.05192): as CycleGAN, with the GAN's loss and squared distances"
    objective: ClassVar = NonSaturating()
    constraint: ClassVar = Unconstrained()
    power: ClassVar = 2
    weight: float = Field(1.0, ge=0, description="of the way there and back")
    buffer: int = Field(0, ge=0, le=100_000, description="earlier translations for the critics; the paper has none")
