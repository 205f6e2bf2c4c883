"""Layers that torch lacks: those of TensorFlow 1 in the WGAN-GP authors' code, normalisation by name, and initial
values.

Initial values are uniform; the `gain` of a layer selects He's (2) or Glorot's (1) standard deviation.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad


class SameConv2d(nn.Conv2d):
    """A strided convolution with TensorFlow's SAME padding: with kernel 5 and stride 2, one before and two after."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(pad(x, _same(self.kernel_size[0], self.stride[0])))


class SameConvTranspose2d(nn.ConvTranspose2d):
    """The transpose of `SameConv2d`: from h to stride * h pixels."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        before, _, _, _ = _same(self.kernel_size[0], self.stride[0])
        height, width = (self.stride[0] * side for side in x.shape[2:])
        whole = super().forward(x)
        last = whole.is_contiguous(memory_format=torch.channels_last)
        cropped = whole[:, :, before : before + height, before : before + width]
        # batch norm of samples that are not contiguous calls torch.sqrt (ganflow.portable_operations)
        return cropped.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


def _same(kernel: int, stride: int) -> tuple[int, int, int, int]:
    """Padding of an image whose sides are multiples of the stride: left, right, top, bottom."""
    total = kernel - stride
    before = total // 2
    return before, total - before, before, total - before


class ConditionalBatchNorm2d(nn.Module):
    """Batch normalisation with a gain and a bias for each class (Dumoulin et al., arXiv 1610.07629)."""

    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain = nn.Parameter(torch.ones(classes, channels))
        self.bias = nn.Parameter(torch.zeros(classes, channels))

    def forward(self, x: Tensor, classes: Tensor) -> Tensor:
        """x (n, channels, h, w), classes (n, classes) one-hot."""
        gain, bias = (classes @ table for table in (self.gain, self.bias))
        return self.norm(x) * gain[:, :, None, None] + bias[:, :, None, None]


class Scaled(nn.Module):
    """A constant times the input."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


def normalisation(kind: str, channels: int) -> list[nn.Module]:
    """The layers of a norm: "batch"; "layer", over all of an image, or "instance", over each channel of an image, both
    with gain and bias per channel; "none"."""
    match kind:
        case "batch":
            return [nn.BatchNorm2d(channels)]
        case "layer":
            return [nn.GroupNorm(1, channels)]
        case "instance":
            return [nn.GroupNorm(channels, channels)]
        case _:
            return []


def with_gain(layer: nn.Module, gain: float) -> nn.Module:
    """Sets the gain of a layer for `initial_value`."""
    layer.gain = cast(Tensor, gain)  # a plain attribute, which torch's annotations lack
    return layer


def perceptron(
    inputs: int, width: int, layers: int, outputs: int, activation: Callable[[], nn.Module], gain: float
) -> list[nn.Module]:
    """Hidden layers of a width, of which `gain` is that of the weights, and a linear output."""
    sizes = [inputs, *[width] * layers]
    hidden = [part for a, b in pairwise(sizes) for part in (with_gain(nn.Linear(a, b), gain), activation())]
    return [*hidden, with_gain(nn.Linear(width, outputs), 1.0)]


def he_value(module: nn.Module, name: str, shape: torch.Size, draw: np.random.Generator) -> np.ndarray:
    """The initial value of a parameter of a perceptron: uniform, He's deviation before a ReLU, else Glorot's."""
    if name == "weight" and gain_of(module) > 1:
        return uniform((2 / cast(nn.Linear, module).in_features) ** 0.5, shape, draw)
    return initial_value(module, name, shape, draw)


def gain_of(layer: nn.Module) -> float:
    """The gain of a layer of `with_gain`."""
    return cast(float, layer.gain)


def initial_value(module: nn.Module, name: str, shape: torch.Size, draw: np.random.Generator) -> np.ndarray:
    """Gains 1, biases 0, weights uniform with variance 2 gain / (fan-in + fan-out), without a stride's share."""
    if name == "bias":
        return np.zeros(shape)
    if not isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        return np.ones(shape)
    return uniform((2 * gain_of(module) / sum(_fans(module))) ** 0.5, shape, draw)


def uniform(deviation: float, shape: torch.Size, draw: np.random.Generator) -> np.ndarray:
    """Uniform values of mean 0 and this standard deviation."""
    return draw.uniform(-deviation * 3**0.5, deviation * 3**0.5, shape)


def _fans(module: nn.Linear | nn.Conv2d | nn.ConvTranspose2d) -> tuple[float, float]:
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    kernel, stride = module.kernel_size[0] ** 2, module.stride[0] ** 2
    fan_in, fan_out = module.in_channels * kernel, module.out_channels * kernel
    return (fan_in / stride, fan_out) if isinstance(module, nn.ConvTranspose2d) else (fan_in, fan_out / stride)
