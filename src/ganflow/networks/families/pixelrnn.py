"""PixelRNN with row LSTM layers (van den Oord et al., arXiv 1601.06759, sections 3.1 and 3.3, table 1): a cell of each
row goes to the next one by a convolution, and along a row the gates see what stands to the left."""

from collections.abc import Sequence
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from ganflow.networks.autoregressive import COLOURS, Autoregressive, AutoregressiveNetwork, Head, MaskedRow, RowsAbove
from ganflow.networks.gates import tanh


class RowLSTM(nn.Module):
    """A layer with residual connection: `features` cells, twice as many features in and out."""

    def __init__(self, features: int):
        super().__init__()
        self.input_to_state = MaskedRow(2 * features, 4 * features, 2, parts=4)
        self.state_to_state = nn.Conv1d(features, 4 * features, 3, padding=1, bias=False)
        self.out = MaskedRow(features, 2 * features)

    def row(self, x: Tensor, gates: Tensor, cells: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features, state and cells of rows x (n, h, w, 2 features), by the gates' and cells' parts from above."""
        out, forget, enter, proposed = (self.input_to_state(x) + gates).chunk(4, dim=-1)
        cells = forget.sigmoid() * cells + enter.sigmoid() * tanh(proposed)
        state = out.sigmoid() * tanh(cells)
        return x + self.out(state), state, cells

    def to_next(self, state: Tensor) -> Tensor:
        """What the gates of the next row get from the state (n, 1, w, features) of one."""
        return self.state_to_state(state[:, 0].movedim(-1, 1)).movedim(1, -1)[:, None]


class PixelRowLSTM(Autoregressive):
    """A first convolution of kernel 7, with mask A, and row LSTM layers."""

    def __init__(self, resolution: int, features: int, layers: int, classes: int, mixtures: int | None):
        super().__init__(resolution, classes, mixtures)
        self.down = RowsAbove(COLOURS, 2 * features, 3, 7, itself=False)
        self.right = MaskedRow(COLOURS, 2 * features, 4, itself=False)
        self.condition = nn.Linear(classes, 2 * features, bias=False) if classes else None
        self.layers = cast(Sequence[RowLSTM], nn.ModuleList(RowLSTM(features) for _ in range(layers)))
        self.head = Head(2 * features, self.outputs)
        self.features = features

    def above(self, x: Tensor, classes: Tensor) -> list[Tensor]:
        first = self.down(x).movedim(1, -1)
        if self.condition is not None:
            first = first + self.condition(classes)[:, None, None]
        none = first.new_zeros(len(x), 1, x.shape[3], self.features)
        states = [(none, none) for _ in self.layers]
        rows: list[list[Tensor]] = []
        for row in range(x.shape[2]):
            if row:
                before = slice(row - 1, row)
                states = self._run(x[:, :, before].movedim(1, -1), [first[:, before], *rows[-1]])[1]
            pairs = zip(self.layers, states, strict=True)
            rows.append([part for layer, (state, cells) in pairs for part in (layer.to_next(state), cells)])
        return [first, *(torch.cat(parts, dim=1) for parts in zip(*rows, strict=True))]

    def across(self, x: Tensor, above: list[Tensor]) -> Tensor:
        return self._run(x, above)[0]

    def _run(self, x: Tensor, above: list[Tensor]) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Features of rows, and the state and cells of each layer."""
        found, states = self.right(x) + above[0], []
        for layer, gates, cells in zip(self.layers, above[1::2], above[2::2], strict=True):
            found, state, new = layer.row(found, gates, cells)
            states.append((state, new))
        return found, states


class PixelRNN(AutoregressiveNetwork):
    """Row LSTM layers."""

    about: ClassVar = "PixelRNN with row LSTM layers (arXiv 1601.06759), for the method `autoregressive`"

    def density(self, resolution: int, classes: int) -> Autoregressive:
        return PixelRowLSTM(resolution, COLOURS * self.width, self.layers, classes, self.chosen_mixtures)
