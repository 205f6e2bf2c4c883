"""Gated PixelCNN (van den Oord et al., arXiv 1606.05328, section 2 and figure 2): a stack of convolutions that sees the
rows above, and one along each row, which sees what stands to the left and the first stack; no blind spot."""

from collections.abc import Sequence
from typing import ClassVar, cast

from torch import Tensor, nn

from ganflow.networks.autoregressive import COLOURS, Autoregressive, AutoregressiveNetwork, Head, MaskedRow, RowsAbove
from ganflow.networks.gates import gated


class Layer(nn.Module):
    """A layer of both stacks, of `features` each; the first takes the image."""

    def __init__(self, features: int, classes: int, first: bool):
        super().__init__()
        inputs, kernel = (COLOURS, 7) if first else (features, 3)
        half = kernel // 2
        self.down = RowsAbove(inputs, 2 * features, half if first else half + 1, kernel, itself=not first)
        self.condition = nn.Linear(classes, 4 * features, bias=False) if classes else None
        self.to_row = nn.Linear(2 * features, 2 * features)
        self.right = MaskedRow(inputs, 2 * features, half + 1, parts=2, itself=not first)
        self.out = MaskedRow(features, features)
        self.first = first

    def vertical(self, v: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """The next features of the vertical stack, and what the row's gates get, (n, h, w, 2 features)."""
        found = self.down(v).movedim(1, -1)
        to_row = self.to_row(found)
        if self.condition is not None:
            mine, row = self.condition(classes)[:, None, None].chunk(2, dim=-1)
            found, to_row = found + mine, to_row + row
        return gated(found).movedim(-1, 1), to_row

    def horizontal(self, h: Tensor, above: Tensor) -> Tensor:
        """The next features of the row."""
        out = self.out(gated(self.right(h) + above))
        return out if self.first else out + h


class GatedPixelCNN(Autoregressive):
    """A first layer of kernel 7, with mask A, and others of kernel 3."""

    def __init__(self, resolution: int, features: int, layers: int, classes: int, mixtures: int | None):
        super().__init__(resolution, classes, mixtures)
        made = nn.ModuleList(Layer(features, classes, index == 0) for index in range(1 + layers))
        self.layers = cast(Sequence[Layer], made)
        self.head = Head(features, self.outputs)

    def above(self, x: Tensor, classes: Tensor) -> list[Tensor]:
        v, found = x, []
        for layer in self.layers:
            v, to_row = layer.vertical(v, classes)
            found.append(to_row)
        return found

    def across(self, x: Tensor, above: list[Tensor]) -> Tensor:
        h = x
        for layer, part in zip(self.layers, above, strict=True):
            h = layer.horizontal(h, part)
        return h


class PixelCNN(AutoregressiveNetwork):
    """Gated convolutions above and to the left."""

    about: ClassVar = "gated PixelCNN (arXiv 1606.05328), for the method `autoregressive`"

    def density(self, resolution: int, classes: int) -> Autoregressive:
        return GatedPixelCNN(resolution, COLOURS * self.width, self.layers, classes, self.chosen_mixtures)
