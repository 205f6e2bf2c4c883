"""The gradient penalty's derivative by a pass through the linear part: equal to that of autograd, in fewer operations,
and left to autograd where a network is not piecewise linear."""

from copy import deepcopy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from models import built, step_draws, variant
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from ganflow.components import component_class, names
from ganflow.config import Choice
from ganflow.methods.components import Score
from ganflow.methods.constraints.gradient_penalty import GradientPenalty
from ganflow.methods.piecewise_linear import InputGradient
from ganflow.networks.building import network_of
from ganflow.networks.interfaces import Network
from ganflow.networks.layers import SameConv2d
from ganflow.studies.critics import FixedUniform

IMAGES = (2, 8, 8)  # channels, height, width of the random architectures


def by_autograd() -> InputGradient:
    gradient = InputGradient()
    gradient.piecewise_linear = False
    return gradient


def derivatives(module: nn.Module, points: Tensor, gradient: InputGradient) -> list[Tensor]:
    """The gradient of the scores in the points, and that of a function of it in each parameter."""
    module.zero_grad(set_to_none=True)
    found = gradient(lambda x: module(x)[:, 0], points)
    weights = torch.linspace(0.5, 2, len(points), dtype=points.dtype)
    (weights * (found.flatten(1).square().sum(1) + 1e-3).sqrt().sub(1).square()).sum().backward()
    parameters = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in module.parameters()]
    return [found.detach(), *parameters]


def same(module: nn.Module, points: Tensor) -> bool:
    """Asserts that both ways agree; returns whether the network was found to be piecewise linear."""
    gradient = InputGradient()
    found = derivatives(module, points, gradient)
    for one, other in zip(found, derivatives(module, points, by_autograd()), strict=True):
        assert (one - other).abs().max() <= 1e-12 * other.abs().max().clamp_min(1e-3)
    return gradient.piecewise_linear


CRITICS = [
    ("bottleneck", {"width": 4, "critic_norm": "none"}, 64, True),
    ("bottleneck", {"width": 4}, 64, False),  # layer norm
    ("dcgan", {"width": 4, "critic_norm": "none"}, 16, True),
    ("dcgan", {"width": 4, "critic_norm": "layer"}, 32, False),
    ("dcgan5", {"width": 4}, 32, True),
    ("dcgan5", {"width": 4, "nonlinearity": "tanh"}, 32, False),
    ("dcgan5", {"width": 4, "nonlinearity": "gated"}, 64, False),
    ("mlp", {"width": 8}, 8, True),
    ("resnet", {"width": 4}, 32, True),
    ("resnet", {"width": 4, "critic_norm": "none"}, 64, True),
    ("resnet", {"width": 4, "critic_norm": "layer"}, 64, False),
    ("toy_mlp", {"width": 16}, 2, True),
    ("toy_mlp", {"width": 16, "activation": "leaky_relu"}, 2, True),
    ("toy_mlp", {"width": 16, "activation": "tanh"}, 2, False),
]


def test_every_family_is_tried():
    """Of those whose critics can have a gradient penalty."""
    families = {name for name in names(Network) if not component_class(Network, name, "where").specialised}
    assert {family for family, *_ in CRITICS} >= families - {"noised_data"}


@pytest.mark.parametrize(("family", "chosen", "side", "covered"), CRITICS)
@pytest.mark.parametrize("outputs", [1, 4])
def test_every_critic(family, chosen, side, covered, outputs):
    shape = (side,) if family == "toy_mlp" else (side, side, 3)
    network = network_of(Choice.model_validate({family: chosen}), shape, "network")
    torch.manual_seed(0)
    critic = network.critic(side, shape[-1], outputs).double()
    points = torch.randn(3, *shape[-1:], *shape[:-1], dtype=torch.float64)
    assert same(critic, points) is covered


@pytest.mark.parametrize("conditioning", ["none", "concat", "auxiliary"])
@pytest.mark.parametrize("constraint", ["gradient_penalty", ["spectral_norm", "gradient_penalty"], "dragan"])
def test_a_critic_step_has_the_gradients_of_autograd(conditioning, constraint):
    """With labels as planes, a head for classes, and weights that are divided by their norm."""
    objective = "non_saturating" if constraint == "dragan" else "wasserstein"
    chosen = variant(
        network={"dcgan": {"width": 4, "norm": "none"}},
        objective=objective,
        constraint=constraint,
        conditioning=conditioning,
    )
    found, ways = [], (InputGradient(), by_autograd())
    for gradient in ways:
        model = built(chosen)
        model._input_gradient = gradient
        for module in model.modules.values():
            module.double()
        draws = step_draws()
        for name, make in (("normal", draws.normal), ("uniform", draws.uniform)):
            setattr(draws, name, lambda *a, make=make: make(*a).double())
        draws.batches = {role: batch._replace(values=batch.values.double()) for role, batch in draws.batches.items()}
        loss, _ = model.players[0].loss(draws)
        loss.backward()
        found.append([p.grad for p in model.modules["critic"].parameters()])
    assert [way.piecewise_linear for way in ways] == [True, False]
    for one, other in zip(*found, strict=True):
        assert (one - other).abs().max() <= 1e-12 * other.abs().max().clamp_min(1e-3)


class Residual(nn.Module):
    def __init__(self, body: nn.Module, factor: float):
        super().__init__()
        self.body, self.factor = body, factor

    def forward(self, x):
        return x + self.factor * self.body(x)


class WithPlane(nn.Module):
    """A plane of ones beside the input, and padding by hand."""

    def forward(self, x):
        return functional.pad(torch.cat([x, torch.ones(len(x), 1, *x.shape[2:], dtype=x.dtype)], dim=1), (1, 0, 0, 1))


@st.composite
def architectures(draw) -> nn.Module:
    """Random piecewise linear networks from images of IMAGES to 1 to 3 outputs."""
    channels, height, width = IMAGES
    layers: list[nn.Module] = []
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(["conv", "same", "relu", "leaky", "pool", "residual", "plane", "shuffle"]))
        bias = draw(st.booleans())
        if kind == "conv":
            kernel, after = draw(st.integers(1, min(3, height, width))), draw(st.integers(1, 4))
            stride, padding = draw(st.integers(1, 2)), draw(st.integers(0, 1))
            layers.append(nn.Conv2d(channels, after, kernel, stride, padding, bias=bias))
            height, width = ((side + 2 * padding - kernel) // stride + 1 for side in (height, width))
            channels = after
        elif kind == "same" and height % 2 == 0 and width % 2 == 0:
            layers.append(SameConv2d(channels, channels, draw(st.sampled_from([3, 5])), 2, bias=bias))
            height, width = height // 2, width // 2
        elif kind in ("relu", "leaky"):
            slope = draw(st.sampled_from([0.0, 0.01, 0.2, 1.0]))
            fresh = not layers or not isinstance(layers[-1], nn.Conv2d)
            layers.append(nn.ReLU() if kind == "relu" else nn.LeakyReLU(slope, inplace=not fresh))
        elif kind == "pool" and min(height, width) >= 2:
            layers.append(nn.AvgPool2d(2))
            height, width = height // 2, width // 2
        elif kind == "residual":
            body = nn.Sequential(nn.ReLU(), nn.Conv2d(channels, channels, 1, bias=bias), nn.LeakyReLU(0.2))
            layers.append(Residual(body, draw(st.sampled_from([0.3, 1.0, -2.0]))))
        elif kind == "plane":
            layers.append(WithPlane())
            channels, height, width = channels + 1, height + 1, width + 1
        elif kind == "shuffle" and channels % 4 == 0 and max(height, width) <= 8:
            layers.append(nn.PixelShuffle(2))
            channels, height, width = channels // 4, 2 * height, 2 * width
    if draw(st.booleans()):
        layers.append(nn.AdaptiveAvgPool2d(1))
        height = width = 1
    layers += [nn.Flatten(), nn.Linear(channels * height * width, draw(st.integers(1, 3)))]
    if draw(st.booleans()):
        torch.manual_seed(draw(st.integers(0, 99)))
    return nn.Sequential(*layers).double()


@settings(max_examples=60, deadline=None)
@given(architectures(), st.integers(1, 4), st.integers(0, 2**31))
def test_random_piecewise_linear_networks(network, count, seed):
    points = torch.randn(count, *IMAGES, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    assert same(network, points)
    assert same(network.to(memory_format=torch.channels_last), points.contiguous(memory_format=torch.channels_last))


class Applied(nn.Module):
    """A linear layer, something, and another linear layer."""

    def __init__(self, something):
        super().__init__()
        self.first, self.last = nn.Linear(6, 5).double(), nn.Linear(5, 1).double()
        self.gain = nn.Parameter(torch.tensor(1.5, dtype=torch.float64))
        self.something = something

    def forward(self, x):
        return self.last(self.something(self, self.first(x)))


@pytest.mark.parametrize(
    "something",
    [
        lambda module, x: x.tanh(),
        lambda module, x: functional.softplus(x),
        lambda module, x: x * x,
        lambda module, x: x * module.gain,  # linear in x, but its weight would be missed
        lambda module, x: x + module.gain,
        lambda module, x: x + 1,
        lambda module, x: x / x.abs().sum().item(),
        lambda module, x: functional.layer_norm(x, (5,)),
        lambda module, x: functional.leaky_relu(x, -0.5),
        lambda module, x: functional.pad(x, (0, 0), value=1.0),
        lambda module, x: functional.linear(x, torch.eye(5).double() * x.mean()),
        lambda module, x: x.clone().relu_(),
        lambda module, x: functional.linear(x, weight=torch.eye(5).double()),
        lambda module, x: torch.add(x, x, alpha=2),
        lambda module, x: functional.dropout(x, 0.0),
    ],
)
def test_anything_else_is_left_to_autograd(something):
    torch.manual_seed(0)
    assert not same(Applied(something), torch.randn(4, 6, dtype=torch.float64))


def test_layers_that_are_shared_or_do_not_reach_the_score():
    torch.manual_seed(0)
    shared = nn.Linear(6, 6)

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.shared, self.unused, self.last = shared, nn.Linear(6, 3), nn.Linear(6, 1)

        def forward(self, x):
            h = self.shared(self.shared(x).relu()).relu()
            self.unused(h)
            return self.last(h)

    assert same(Network().double(), torch.randn(4, 6, dtype=torch.float64))


@pytest.mark.parametrize(
    "rectify",
    [
        lambda x: functional.leaky_relu(x, 0.2, True),
        lambda x: functional.leaky_relu(x, negative_slope=0.2, inplace=True),
        lambda x: functional.relu(x, True),
        lambda x: functional.relu(x, inplace=True),
    ],
)
def test_what_is_rectified_in_place_is_so_for_all_that_read_it(rectify):
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(6, 5), nn.Linear(5, 1)

        def forward(self, x):
            h = self.first(x)
            y = rectify(h)
            return self.last(h + 2 * y)

    torch.manual_seed(0)
    assert same(Network().double(), torch.randn(4, 6, dtype=torch.float64))


def test_a_gradient_of_zero_gives_a_finite_penalty_and_no_gradient():
    critic = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 1), nn.Flatten(0))
    with torch.no_grad():
        critic[3].weight.zero_()
    score = Score(critic)
    penalty, _ = GradientPenalty().penalty(score, *torch.randn(2, 4, 3, 2, 2), FixedUniform(0, 0, torch.rand(4)))
    penalty.backward()
    assert score.gradient_in_input.piecewise_linear and penalty.item() == pytest.approx(10.0)
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in critic.parameters())
    assert critic[3].weight.grad.abs().max() == 0


class Convolutions(TorchDispatchMode):
    """Counts convolutions: one for a forward, one for each gradient that a backward asks for."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if operation is torch.ops.aten.convolution.default:
            self.count += 1
        if operation is torch.ops.aten.convolution_backward.default:
            self.count += sum(args[-1][:2])
        return operation(*args, **(kwargs or {}))


def test_it_takes_four_convolutions_a_layer_where_autograd_takes_six():
    layers = [part for _ in range(3) for part in (nn.Conv2d(4, 4, 3, padding=1), nn.LeakyReLU(0.2))]
    critic, counts = nn.Sequential(*layers, nn.Flatten(), nn.Linear(256, 1)), []
    for gradient in (InputGradient(), by_autograd()):
        with Convolutions() as counted:
            derivatives(critic, torch.randn(2, 4, 8, 8), gradient)
        counts.append(counted.count)
    assert counts[0] == 4 * 3
    assert counts[1] >= 6 * 3 - 2  # the first layer's input needs no gradient


def test_the_parameters_after_a_step_of_the_fused_optimiser_are_those_of_the_plain_one():
    """Fused Adam pairs values by their place in memory, so that gradients must lie in memory as parameters do."""
    chosen = variant(
        network={"dcgan": {"width": 4, "norm": "none"}}, objective="wasserstein", constraint="gradient_penalty"
    )
    model = built(chosen)
    critic = model.modules["critic"]
    plain = deepcopy(critic)
    fused = model.players[0].optimizer.build(critic.parameters(), "critic")
    group = fused.param_groups[0]
    reference = torch.optim.Adam(
        [p for p in plain.parameters()], lr=group["lr"], betas=group["betas"], eps=group["eps"], foreach=False
    )
    for step in range(3):
        loss, _ = model.players[0].loss(step_draws(step))
        fused.zero_grad()
        loss.backward()
        for mine, other in zip(critic.parameters(), plain.parameters(), strict=True):
            other.grad = mine.grad.clone(memory_format=torch.contiguous_format)
        fused.step()
        reference.step()
        for mine, other in zip(critic.parameters(), plain.parameters(), strict=True):
            assert (mine - other).abs().max() <= 1e-6 * other.abs().max()
