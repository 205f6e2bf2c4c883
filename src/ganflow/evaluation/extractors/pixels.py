"""Mean colours of the cells of a grid: no network, so nothing is learned, and pixel noise averages out.

Distances between pixels find candidates for duplicates in the birthday paradox test (Arora and Zhang, arXiv 1706.08224)
and bins of alike samples (Richardson and Weiss, arXiv 1805.12462, section 2). Their Fréchet distance is not the FID.
"""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ganflow.artifacts import write_file
from ganflow.evaluation.interfaces import Extractor

if TYPE_CHECKING:
    from torch import nn

TEXT = b"mean colours of cells: has no weights\n"


class Pixels(Extractor):
    """Features of 3 values in [0, 1] a cell, exact sums divided once, so equal on every machine; no logits."""

    fetched: ClassVar = False
    bytes: ClassVar = len(TEXT)
    resolution: Literal[4, 8, 16, 32] = Field(8, description="cells a side, a divisor of the images' resolution")

    @property
    def resize(self) -> str:
        return f"means of cells, to {self.resolution} x {self.resolution}"

    def provide(self, target: Path) -> None:
        write_file(target, TEXT)

    def network(self, weights: Path) -> "nn.Module":
        from ganflow.evaluation.cell_means import CellMeans  # torch, which `provide` is without

        return CellMeans(self.resolution).eval()
