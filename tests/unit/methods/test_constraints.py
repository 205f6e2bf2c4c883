"""Constraints on critics against the papers' formulas in float64."""

from copy import deepcopy
from functools import partial

import numpy as np
import pytest
import torch
from models import linear_critic, step_draws
from torch import nn

from ganflow.methods.components import Score
from ganflow.methods.constraints.dragan import DRAGAN
from ganflow.methods.constraints.gradient_penalty import GradientPenalty
from ganflow.methods.constraints.spectral_norm import SpectralNorm
from ganflow.methods.constraints.unit_sphere import UnitSphere
from ganflow.methods.constraints.weight_clipping import WeightClipping
from ganflow.randomness import generator
from ganflow.studies.critics import FixedUniform

fixed_uniform = partial(FixedUniform, 0, 0)


@pytest.mark.parametrize(
    ("one_sided", "scale", "expected"), [(False, 3, 40), (False, 0.5, 2.5), (True, 3, 40), (True, 0.5, 0)]
)
def test_gradient_penalty_of_a_linear_critic(one_sided, scale, expected):
    weight = torch.ones(12, dtype=torch.float64) / 12**0.5 * scale  # the gradient's norm is the scale, everywhere
    images = torch.randn(2, 4, 3, 2, 2, dtype=torch.float64)
    penalty, values = GradientPenalty(weight=10.0, one_sided=one_sided).penalty(
        Score(linear_critic(weight)), images[0], images[1], fixed_uniform(torch.rand(4, dtype=torch.float64))
    )
    assert penalty.item() == pytest.approx(expected, rel=1e-12, abs=1e-24)
    assert values["gradient_norm"].item() == pytest.approx(scale, rel=1e-12)


def test_gradient_penalty_is_finite_at_zero_gradient_and_always_float32():
    critic = linear_critic(torch.zeros(12, dtype=torch.float64)).float()
    images = torch.randn(2, 4, 3, 2, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        penalty, _ = GradientPenalty().penalty(Score(critic), *images.bfloat16(), fixed_uniform(torch.rand(4)))
    penalty.backward()
    assert penalty.dtype == torch.float32
    assert penalty.item() == pytest.approx(10.0)
    assert torch.isfinite(critic[1].weight.grad).all()


def test_gradient_penalty_draws_interpolates_for_each_sample():
    seen = []

    class Recorder(nn.Module):
        def forward(self, x):
            seen.append(x.detach())
            return x.flatten(1).sum(1)

    real, fake, epsilon = torch.ones(3, 3, 2, 2), torch.zeros(3, 3, 2, 2), torch.tensor([0.0, 0.25, 1.0])
    GradientPenalty().penalty(Score(Recorder()), real, fake, fixed_uniform(epsilon))
    assert torch.equal(seen[0], epsilon.view(3, 1, 1, 1).expand(3, 3, 2, 2))


def test_gradient_penalty_gradient_against_finite_differences():
    critic = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Softplus(), nn.Linear(5, 1), nn.Flatten(0)).double()
    real, fake = torch.randn(2, 4, 3, 2, 2, dtype=torch.float64)
    epsilon = torch.rand(4, dtype=torch.float64)
    constraint = GradientPenalty()
    penalty, _ = constraint.penalty(Score(critic), real, fake, fixed_uniform(epsilon))
    [gradient] = torch.autograd.grad(penalty, critic[1].weight)
    direction, step = torch.randn_like(gradient), 1e-5
    with torch.no_grad():
        critic[1].weight += step * direction
    above = constraint.penalty(Score(critic), real, fake, fixed_uniform(epsilon))[0].item()
    with torch.no_grad():
        critic[1].weight -= 2 * step * direction
    below = constraint.penalty(Score(critic), real, fake, fixed_uniform(epsilon))[0].item()
    assert (gradient * direction).sum().item() == pytest.approx((above - below) / (2 * step), rel=1e-7)


def test_unit_sphere_projects_each_layers_weights_and_leaves_biases():
    critic = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 1))
    before = critic[0].weight.detach().clone(), critic[0].bias.detach().clone()
    UnitSphere().prepare(critic, 0)
    for layer in (critic[0], critic[1], critic[3]):
        assert layer.weight.norm().item() == pytest.approx(1, rel=1e-6)
    torch.testing.assert_close(critic[0].weight, before[0] / np.linalg.norm(before[0]))
    assert torch.equal(critic[0].bias, before[1])


def test_spectral_norm_against_the_singular_value_decomposition():
    critic = nn.Sequential(nn.Conv2d(3, 8, 4), nn.Flatten(), nn.Linear(8, 1)).double()
    weights = [layer.weight.detach().numpy().copy() for layer in (critic[0], critic[2])]
    again = deepcopy(critic)
    constraint = SpectralNorm(iterations=100)
    constraint.prepare(critic, 0)
    for _ in range(5):
        constraint.before_step(critic)
    for layer, weight in zip((critic[0], critic[2]), weights, strict=True):
        sigma = np.linalg.svd(weight.reshape(len(weight), -1), compute_uv=False)[0]
        assert np.allclose(layer.weight.detach().numpy(), weight / sigma, rtol=1e-9)
    once = SpectralNorm()
    once.prepare(again, 0)
    once.before_step(again)
    for name, layer, weight in (("0", again[0], weights[0]), ("2", again[2], weights[1])):
        matrix = weight.reshape(len(weight), -1)
        u = generator(0, f"initial/spectral_norm/{name}").standard_normal(len(weight)).astype(np.float32)
        for _ in range(15 + 1):  # the warm-up and one step of Algorithm 1
            v = matrix.T @ u / np.linalg.norm(matrix.T @ u)
            u = matrix @ v / np.linalg.norm(matrix @ v)
        assert np.allclose(layer.weight.detach().numpy(), weight / (u @ matrix @ v), rtol=1e-12)


@pytest.mark.parametrize("when", ["before", "after"])
def test_weight_clipping_clips_everything_at_its_time(when):
    critic = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    constraint = WeightClipping(limit=0.01, when=when)
    (constraint.after_step if when == "before" else constraint.before_step)(critic)
    assert max(p.abs().max() for p in critic.parameters()) > 0.01
    (constraint.before_step if when == "before" else constraint.after_step)(critic)
    assert all(p.abs().max() <= 0.01 for p in critic.parameters())
    assert critic[1].weight.min() == 0.01  # the gain of a normalisation, 1 before, too


@pytest.mark.parametrize("noise", ["uniform", "normal"])
def test_dragan_perturbs_real_samples_by_their_deviation(noise):
    """x + a c std(x) u with a for each sample, the authors' code; x + c std(x) N(0, 1), the paper."""
    seen = []

    class Recorder(nn.Module):
        def forward(self, x):
            seen.append(x.detach())
            return 3 * x.flatten(1).sum(1)

    draws = step_draws()
    real, fake = draws.batch().values, torch.full((4, 3, 16, 16), 100.0)
    penalty, values = DRAGAN(noise=noise, scale=0.25, weight=2.0).penalty(Score(Recorder()), real, fake, draws)
    drawn = getattr(draws, noise)("perturbation", real.shape).double()
    share = draws.uniform("uniform", (4,)).double().view(4, 1, 1, 1) if noise == "uniform" else 1.0
    expected = real.double() + share * 0.25 * real.double().std() * drawn
    assert (seen[0] - expected).abs().max() < 1e-6
    norm = 3 * (3 * 16 * 16) ** 0.5
    assert penalty.item() == pytest.approx(2 * (norm - 1) ** 2, rel=1e-5)
    assert values["gradient_norm"].item() == pytest.approx(norm, rel=1e-6)
