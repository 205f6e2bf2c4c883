"""Networks that give each value of an image a distribution by the values before it: rows from the top, pixels from the
left, red before green before blue (van den Oord et al., arXiv 1601.06759, equations 1 and 2).

Features are in three groups, one for each colour. A masked tap at the pixel itself leads from a colour to later ones
alone (mask A of section 3.4: from an image's values), or also to the same one (mask B: from features of these).
"""

import math
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, logsigmoid, pad

from ganflow.errors import UserError
from ganflow.networks.interfaces import Network
from ganflow.networks.layers import uniform

COLOURS, LEVELS = 3, 256
LEAST_LOG_SCALE = -7.0  # of a logistic distribution, as in PixelCNN++


class MaskedRow(nn.Linear):
    """A convolution along rows, (n, h, w, inputs) to (n, h, w, outputs), over `taps` pixels, the last of which is the
    pixel itself, masked by colours.

    While `left`, (n, h, taps - 1, inputs), is set, it takes the place of the zeros to the left of the first pixel, and
    `last` holds the inputs that the next pixel has to its left.
    """

    mask: Tensor
    left: Tensor | None = None
    last: Tensor | None = None

    def __init__(self, inputs: int, outputs: int, taps: int = 1, parts: int = 1, itself: bool = True):
        """`parts` of the outputs, of three groups each; `itself`: whether features of a colour may use the same colour
        here (mask B)."""
        super().__init__(taps * inputs, outputs)
        before = np.arange(inputs) * COLOURS // inputs
        after = np.arange(outputs) % (outputs // parts) * COLOURS * parts // outputs
        mask = np.ones((outputs, inputs, taps), np.float32)
        mask[..., -1] = before <= after[:, None] if itself else before < after[:, None]
        self.inputs, self.taps = inputs, taps
        self.register_buffer("mask", torch.tensor(mask.reshape(outputs, -1)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.taps > 1:
            x = pad(x, (0, 0, self.taps - 1, 0)) if self.left is None else torch.cat([self.left, x], dim=2)
            self.last = None if self.left is None else x[:, :, 1 - self.taps :]
            x = x.unfold(2, self.taps, 1).flatten(3)
        return linear(x, self.weight * self.mask, self.bias)


class RowsAbove(nn.Conv2d):
    """A convolution over the `rows` rows above a pixel, or, with `itself`, over its own row and those above it; (n,
    inputs, h, w) to (n, outputs, h, w)."""

    def __init__(self, inputs: int, outputs: int, rows: int, columns: int, itself: bool):
        super().__init__(inputs, outputs, (rows, columns), padding=(0, columns // 2))
        self.itself = itself

    def forward(self, x: Tensor) -> Tensor:
        above = self.kernel_size[0] - self.itself
        return super().forward(pad(x, (0, 0, above, 0)))[:, :, : x.shape[2]]


class Head(nn.Sequential):
    """From features to the parameters of a pixel's distributions, the last dimension of both."""

    def __init__(self, features: int, outputs: int):
        inner = MaskedRow(features, features)
        super().__init__(nn.ReLU(), inner, nn.ReLU(), MaskedRow(features, COLOURS * outputs))


class Autoregressive(nn.Module):
    """A density of images that samples by the inverse of each value's distribution function.

    A network says what each row gets from the rows above it, and finds a row's features from that and from what stands
    to the left; `head` makes parameters of distributions of them.
    """

    head: nn.Module

    def __init__(self, resolution: int, classes: int, mixtures: int | None):
        """`mixtures`: the number of logistic distributions of a value; None: a softmax over the 256 values."""
        super().__init__()
        self.resolution, self.classes, self.mixtures = resolution, classes, mixtures
        self.outputs = 3 * mixtures if mixtures else LEVELS

    @abstractmethod
    def above(self, x: Tensor, classes: Tensor) -> list[Tensor]:
        """What rows get from the rows above them and from the class, each (n, h, w, c), of images (n, 3, h, w) in
        [-1, 1] and one-hot classes (n, k)."""

    @abstractmethod
    def across(self, x: Tensor, above: list[Tensor]) -> Tensor:
        """Features (n, h, w, c) of rows x (n, h, w, 3), of which each is taken alone."""

    def log_likelihood(self, x: Tensor, classes: Tensor) -> Tensor:
        """log p(x), (n,) in nats, of images (n, 3, h, w) in [-1, 1] with 8 bits a value, given one-hot classes."""
        rows = x.movedim(1, -1)
        found = self._distributions(self.head(self.across(rows, self.above(x, classes))))
        values = ((rows.float() + 1) * ((LEVELS - 1) / 2)).round().long()
        return self._log_probabilities(found, values).flatten(1).sum(1)

    def forward(self, codes: Tensor) -> Tensor:
        """Codes (n, 3 h w + classes), standard normal and one-hot, to images (n, 3, h, w) in [-1, 1]: a value is the
        least whose distribution function reaches that of its number in the code."""
        side, count = self.resolution, len(codes)
        latent, classes = codes.split([COLOURS * side**2, self.classes], dim=1)
        # in 24 bits, so that the last bits of this function in float64, which libraries round differently, are lost
        wanted = torch.special.ndtr(latent.double()).float().to(codes.dtype).reshape(count, COLOURS, side, side)
        x = torch.zeros_like(wanted)
        for row in range(side):
            above = [part[:, row:] for part in self.above(x[:, :, : row + 1], classes)]
            with self._pixel_by_pixel(x) as kept:
                for column in range(side):
                    here = [part[:, :, column : column + 1] for part in above]
                    for colour in range(COLOURS):
                        values = x[:, :, row : row + 1, column : column + 1].movedim(1, -1)
                        found = self._distributions(self.head(self.across(values, here)[:, 0, 0]))[:, colour]
                        value = self._quantiles(found, wanted[:, colour, row, column])
                        x[:, colour, row, column] = value.to(x.dtype) / ((LEVELS - 1) / 2) - 1
                    self.across(x[:, :, row : row + 1, column : column + 1].movedim(1, -1), here)
                    for layer in kept:
                        layer.left = layer.last
        return x

    @contextmanager
    def _pixel_by_pixel(self, x: Tensor) -> Iterator[list[MaskedRow]]:
        """The layers that look to the left, which meanwhile take a row's pixels one at a time."""
        layers = [layer for layer in self.modules() if isinstance(layer, MaskedRow) and layer.taps > 1]
        for layer in layers:
            layer.left = x.new_zeros(len(x), 1, layer.taps - 1, layer.inputs)
        try:
            yield layers
        finally:
            for layer in layers:
                layer.left = layer.last = None

    def _distributions(self, parameters: Tensor) -> Tensor:
        """Parameters (..., 3 outputs) by colour, (..., 3, outputs), in float32 or better."""
        found = parameters.unflatten(-1, (COLOURS, self.outputs))
        return found.to(torch.promote_types(found.dtype, torch.float32))

    def _log_probabilities(self, found: Tensor, values: Tensor) -> Tensor:
        """log p of values (...) int64, by parameters (..., outputs)."""
        if self.mixtures is None:
            return -cross_entropy(found.flatten(0, -2), values.flatten(), reduction="none").reshape(values.shape)
        logits, means, log_scales = found.chunk(3, dim=-1)
        return logistic_mixture(logits, means, log_scales, values)

    def _quantiles(self, found: Tensor, wanted: Tensor) -> Tensor:
        """The least values (n,) whose distribution function reaches `wanted` (n,), by parameters (n, outputs)."""
        if self.mixtures is None:
            reached = found.softmax(-1).cumsum(-1)
        else:
            logits, means, log_scales = found.chunk(3, dim=-1)
            reached = logistic_distribution_function(logits, means, log_scales)
        return (reached < wanted[:, None]).sum(-1).clamp(max=LEVELS - 1)


def logistic_mixture(logits: Tensor, means: Tensor, log_scales: Tensor, values: Tensor) -> Tensor:
    """log p (...) of values (...) 0..255 under mixtures (..., k) of logistic distributions, rounded to the nearest
    value, with all beyond 0 and 255 (Salimans et al., arXiv 1701.05517, equation 2); means on [-1, 1]."""
    log_scales = log_scales.clamp(min=LEAST_LOG_SCALE)
    centred = (values.to(means.dtype) / ((LEVELS - 1) / 2) - 1)[..., None] - means
    inverse, half = (-log_scales).exp(), 1 / (LEVELS - 1)
    upper, lower = logsigmoid(inverse * (centred + half)), logsigmoid(-inverse * (centred - half))
    # the difference s(a) - s(b) of two distribution functions is s(a) s(-b) (1 - e^(b - a))
    between = (1 - (-2 * half * inverse.double()).exp()).to(upper.dtype).log()
    value = values[..., None]
    logs = torch.where(value == 0, upper, torch.where(value == LEVELS - 1, lower, upper + lower + between))
    return (logits.log_softmax(-1) + logs).logsumexp(-1)


def logistic_distribution_function(logits: Tensor, means: Tensor, log_scales: Tensor) -> Tensor:
    """The distribution function (n, 256) at each value of `logistic_mixture`, by parameters (n, k); 1 is left out."""
    inverse = (-log_scales.clamp(min=LEAST_LOG_SCALE)).exp()
    ends = (torch.arange(LEVELS, dtype=means.dtype, device=means.device) + 0.5) / ((LEVELS - 1) / 2) - 1
    below = ((ends[:, None] - means[:, None]) * inverse[:, None]).sigmoid()
    return (logits.softmax(-1)[:, None] * below).sum(-1)


class AutoregressiveNetwork(Network):
    """A family whose generator is an `Autoregressive` density; it has no critic."""

    specialised: ClassVar = True
    resolutions: ClassVar = (8, 16, 32)
    width: int = Field(32, ge=1, le=1024, description="features for each colour")
    layers: int = Field(5, ge=1, le=100, description="layers after the first")
    likelihood: Literal["softmax", "logistic"] = Field(
        "softmax", description="of a value: 256 probabilities, or a mixture of logistic distributions"
    )
    mixtures: int = Field(5, ge=1, le=100, description="distributions in a mixture")

    @abstractmethod
    def density(self, resolution: int, classes: int) -> Autoregressive:
        """The density of images of a resolution, given one of so many classes, or none."""

    def latent(self, resolution: int) -> int:
        return COLOURS * resolution**2

    def generator(self, resolution: int, latent: int, classes: int = 0) -> nn.Module:
        if latent != self.latent(resolution):
            raise UserError(
                f"params.yaml: training.latent = {latent}: an autoregressive network takes a number for each value of "
                f"a pixel; set the variant's training.latent to {self.latent(resolution)}"
            )
        return self.density(resolution, classes)

    def critic(self, resolution: int, channels: int = 3, outputs: int = 1) -> nn.Module:
        raise TypeError("an autoregressive network is a density, without a critic")

    @property
    def chosen_mixtures(self) -> int | None:
        """`Autoregressive`'s argument."""
        return self.mixtures if self.likelihood == "logistic" else None

    def initial(self, module: nn.Module, name: str, shape: torch.Size, draw: np.random.Generator) -> np.ndarray:
        """Weights uniform with variance 1 / fan-in, biases 0."""
        return np.zeros(shape) if name == "bias" else uniform(math.prod(shape[1:]) ** -0.5, shape, draw)
