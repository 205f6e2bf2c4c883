"""The gradient of a critic's score in its input, as a function of the critic's weights: what a gradient penalty needs.

The usual way to differentiate that gradient once more, autograd with `create_graph`, computes 6 convolutions a layer:
one forward, one for the gradient, four for its derivative. Two of these four are multiplied by zero if the critic is
piecewise linear in its input, as convolutions with (leaky) ReLU and without normalisation are: the derivative of

    <c, grad_x f(x)> = J f(x) c,    c constant,

in the weights then is that of the network's linear part at x, applied to c. It takes one pass of c through the layers,
without biases and with the signs of the activations at x, and one weight gradient a layer, from c at its input and the
gradient of f at its output, which the first pass left. The result is that of autograd: tests compare both in float64.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.overrides import TorchFunctionMode

Function = Callable[[Tensor], Tensor]  # samples, (n, ...), to one score each, (n,)

WEIGHTED = {torch.conv2d, functional.linear}  # linear in the input and in the weights, plus a bias
RECTIFIERS = {torch.relu, Tensor.relu, functional.relu, functional.leaky_relu}
LINEAR = {  # in the input, without weights
    functional.adaptive_avg_pool2d,
    functional.avg_pool2d,
    functional.pad,
    functional.pixel_shuffle,
    torch.cat,
    torch.flatten,
    Tensor.__getitem__,
    Tensor.add,
    Tensor.contiguous,
    Tensor.flatten,
    Tensor.mul,
    Tensor.reshape,
    Tensor.sum,
    Tensor.to,
    Tensor.unflatten,
    Tensor.view,
}
ABOUT = {Tensor.__len__, Tensor.dim, Tensor.is_contiguous, Tensor.numel, Tensor.size}  # a tensor, not its values
ABOUT |= {getattr(Tensor, name).__get__ for name in ("device", "dtype", "is_cuda", "ndim", "requires_grad", "shape")}


class InputGradient:
    """Gradients in the input, differentiable in the weights where autograd is on; the way is chosen by what the network
    turns out to do."""

    def __init__(self) -> None:
        self.piecewise_linear = True  # until an operation is met that is not

    def __call__(self, function: Function, points: Tensor) -> Tensor:
        """The gradient of each score in its sample, like points (n, ...). Scores must not mix samples."""
        differentiable = torch.is_grad_enabled()
        if differentiable and self.piecewise_linear:
            try:
                return _linear_part(function, points)
            except _NotCovered:
                self.piecewise_linear = False
        with torch.enable_grad():
            points = points.detach().requires_grad_()
            [gradient] = torch.autograd.grad(function(points).sum(), points, create_graph=differentiable)
        return gradient


class _NotCovered(Exception):
    """The network does something that is not known to be piecewise linear."""


class _Weighted(NamedTuple):
    """A layer with weights: how it was called, and the gradient of the scores at its output."""

    operation: Callable[..., Tensor]
    settings: tuple[Any, ...]  # after input, weight and bias
    weight: Tensor
    at_output: list[Tensor]


class _Rectifier(NamedTuple):
    output: Tensor
    slope: float


def _linear_part(function: Function, points: Tensor) -> Tensor:
    """The gradient by one forward and one backward pass, with a backward of its own."""
    at = points.detach().requires_grad_()
    with _Recording(at) as recording:
        total = function(at).sum()
    if not recording.depends(total):
        raise _NotCovered
    [gradient] = torch.autograd.grad(total, at)
    layers = recording.layers
    return _Gradient.apply(
        gradient, function, layers, *(layer.weight for layer in layers if isinstance(layer, _Weighted))
    )


class _Gradient(torch.autograd.Function):
    """The gradient in the input, whose own gradient in the weights comes from a pass through the linear part."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, function: Function, layers: list[Any], *weights: Tensor) -> Tensor:
        ctx.function, ctx.layers = function, layers
        return gradient

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *tangents: Tensor) -> Any:
        with torch.no_grad(), _Tangents(tangents[0], ctx.layers) as passed:
            ctx.function(tangents[0])
        return None, None, None, *passed.weight_gradients


class _Pass(TorchFunctionMode, ABC):
    """A run of a network in which every operation on what depends on its input is done by a rule."""

    def __init__(self, start: Tensor):
        super().__init__()
        self._dependent = {id(start): start}  # kept, so that no other tensor gets their identity

    def depends(self, value: object) -> bool:
        """Whether a value was computed from the input."""
        return isinstance(value, Tensor) and id(value) in self._dependent

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def __torch_function__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        listed = args[0] if operation is torch.cat else args
        if not any(self.depends(value) for value in (*listed, *kwargs.values())) or operation in ABOUT:
            return operation(*args, **kwargs)
        result = self._done(operation, args, kwargs)
        self._dependent[id(result)] = result
        return result

    def _done(self, operation: Any, args: Any, kwargs: Any) -> Tensor:
        if not args or not (operation is torch.cat or self.depends(args[0])):
            raise _NotCovered
        if operation in WEIGHTED and not kwargs and not any(self.depends(value) for value in args[1:]):
            return self.weighted(operation, *args)
        if operation in RECTIFIERS:
            slope, inplace = _rectifier(operation, *args[1:], **kwargs)
            if slope >= 0:
                return self.rectified(args[0], slope, inplace)
        if operation in LINEAR and self._linear(operation, args, kwargs):
            return self.linear(operation, *args, **kwargs)
        raise _NotCovered

    def _linear(self, operation: Any, args: Any, kwargs: Any) -> bool:
        """Whether an operation of LINEAR is linear with these arguments."""
        if operation is Tensor.add:
            return len(args) == 2 and self.depends(args[1]) and not kwargs
        if operation is functional.pad:
            return kwargs.get("mode") == "constant" and not kwargs.get("value")
        others = [value for value in (*args[1:], *kwargs.values()) if isinstance(value, Tensor)]
        return not any(self.depends(value) or value.requires_grad for value in others)

    @abstractmethod
    def weighted(
        self, operation: Callable[..., Tensor], x: Tensor, weight: Tensor, bias: Tensor | None = None, *settings: Any
    ) -> Tensor:
        """operation(x, weight) + bias."""

    @abstractmethod
    def rectified(self, x: Tensor, slope: float, inplace: bool) -> Tensor:
        """x where it is positive, slope * x elsewhere."""

    def linear(self, operation: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """An operation that is linear in what depends on the input."""
        return operation(*args, **kwargs)


class _Recording(_Pass):
    """The pass at the points themselves: scores, and what their linear part needs."""

    def __init__(self, start: Tensor):
        super().__init__(start)
        self.layers: list[_Weighted | _Rectifier] = []

    def weighted(
        self, operation: Callable[..., Tensor], x: Tensor, weight: Tensor, bias: Tensor | None = None, *settings: Any
    ) -> Tensor:
        layer = _Weighted(operation, settings, weight, [])
        output = operation(x, weight.detach(), None if bias is None else bias.detach(), *settings)
        output.register_hook(layer.at_output.append)
        self.layers.append(layer)
        return output

    def rectified(self, x: Tensor, slope: float, inplace: bool) -> Tensor:
        output = functional.leaky_relu(x, slope, inplace)
        self.layers.append(_Rectifier(output.detach(), slope))
        return output


class _Tangents(_Pass):
    """The pass of tangents through the linear part; collects the gradients of the weights, in the recorded order."""

    def __init__(self, start: Tensor, layers: list[_Weighted | _Rectifier]):
        super().__init__(start)
        self._layers, self.weight_gradients = iter(layers), list[Tensor]()

    def weighted(
        self, operation: Callable[..., Tensor], x: Tensor, weight: Tensor, bias: Tensor | None = None, *settings: Any
    ) -> Tensor:
        layer = next(self._layers)
        assert isinstance(layer, _Weighted) and layer.operation is operation, "a network does the same again"
        if not layer.at_output:  # the scores do not depend on it
            self.weight_gradients.append(torch.zeros_like(layer.weight))
            return operation(x, layer.weight, None, *layer.settings)
        with torch.enable_grad():
            weight = layer.weight.detach().requires_grad_()
            output = operation(x, weight, None, *layer.settings)
            [gradient] = torch.autograd.grad(output, weight, layer.at_output[0])
        self.weight_gradients.append(gradient)
        return output.detach()

    def rectified(self, x: Tensor, slope: float, inplace: bool) -> Tensor:
        layer = next(self._layers)
        assert isinstance(layer, _Rectifier), "a network does the same again"
        output = torch.ops.aten.leaky_relu_backward(x, layer.output, layer.slope, True)
        return x.copy_(output) if inplace else output

    def linear(self, operation: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        if operation is torch.cat:  # what does not depend on the input has no tangent
            parts = [part if self.depends(part) else torch.zeros_like(part) for part in args[0]]
            return torch.cat(parts, *args[1:], **kwargs)
        return operation(*args, **kwargs)


def _rectifier(operation: Any, *settings: Any, **named: Any) -> tuple[float, bool]:
    """The factor where the input of a rectifier is negative, and whether it works in place."""
    names = {functional.leaky_relu: ("negative_slope", "inplace"), functional.relu: ("inplace",)}.get(operation, ())
    found = {"inplace": False, "negative_slope": 0.01 if "negative_slope" in names else 0.0}
    found |= dict(zip(names, settings, strict=False)) | named
    return float(found["negative_slope"]), bool(found["inplace"])
