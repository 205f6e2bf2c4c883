"""What the Wasserstein papers prove, by trained critics: duality, the gradient formula, the critic's direction."""

import numpy as np
import pytest
import torch

from ganflow.methods.constraints.gradient_penalty import GradientPenalty
from ganflow.methods.critic_diagnostics import layer_gradient_norms, transport_cosine
from ganflow.methods.objectives.wasserstein import Wasserstein
from ganflow.networks.families.toy_mlp import ToyMLP
from ganflow.optimal_transport import transport_plan
from ganflow.randomness import generator
from ganflow.studies.critics import Critic, finish, points

PENALTY = 50.0  # of two shifted distributions the penalised optimum is W (1 + W / 2 lambda): 2 % above W of 2
TOLERANCE = 0.06  # of exact W1, relative


def gaussian(mean: tuple[float, ...], count: int = 256):
    return lambda draw: np.array(mean) + 0.5 * draw.standard_normal((count, len(mean)))


def trained(dimension: int, real, fake, steps: int = 600) -> Critic:
    network = ToyMLP(width=64, layers=2)
    critic = Critic(Wasserstein(), GradientPenalty(weight=PENALTY), dimension, network, 2e-3, seed=0)
    finish(critic.fit(real, fake, steps))
    return critic


@pytest.mark.slow
@pytest.mark.parametrize("shift", [(2.0,), (1.2, -1.6)], ids=["line", "plane"])
def test_the_critics_estimate_approaches_exact_w1(shift):
    """W1 of two Gaussians of one covariance is the distance of their means."""
    origin = (0.0,) * len(shift)
    critic = trained(len(shift), gaussian(origin), gaussian(shift))
    draw = generator(1, "held out")
    real, fake = (points(gaussian(mean, 4000), draw) for mean in (origin, shift))
    exact = float(np.linalg.norm(shift))
    assert critic.estimate(real, fake) == pytest.approx(exact, rel=TOLERANCE)
    assert transport_plan(real[:1000].numpy(), fake[:1000].numpy())[1] == pytest.approx(exact, rel=TOLERANCE)
    assert float(transport_cosine(critic, real[:500], fake[:500])) > 0.75  # tails beyond the data are untrained


@pytest.mark.slow
def test_the_gradient_formula_against_finite_differences_of_exact_w():
    """grad_theta W(P_r, P_theta) = -E grad_theta f(g_theta(z)) (WGAN, theorem 3), g_theta(z) = s R z + m."""
    theta = torch.tensor([1.5, 0.5, 0.8], requires_grad=True)  # m and s

    def generated(at: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        return at[:2] + at[2] * noise

    count = 1500
    draw = generator(0, "formula")
    noise = points(lambda d: d.standard_normal((count, 2)), draw)
    real = points(lambda d: 0.4 * d.standard_normal((count, 2)), draw)

    def fake_batch(d: np.random.Generator) -> np.ndarray:
        return generated(theta.detach(), noise)[d.permutation(count)[:256]].numpy()

    critic = trained(2, lambda d: real[d.permutation(count)[:256]].numpy(), fake_batch, steps=800)
    [formula] = torch.autograd.grad(-critic(generated(theta, noise)).mean(), theta)
    step, differences = 0.02, []
    for place in range(3):
        ends = []
        for sign in (1, -1):
            moved = theta.detach().clone()
            moved[place] += sign * step
            ends.append(transport_plan(real.numpy(), generated(moved, noise).numpy())[1])
        differences.append((ends[0] - ends[1]) / (2 * step))
    assert np.linalg.norm(formula.numpy() - differences) < 0.1 * np.linalg.norm(differences)


def test_the_cosine_of_critics_whose_gradient_is_known():
    real, fake = torch.zeros(40, 2) + torch.tensor([3.0, 0.0]), torch.randn(40, 2) * 0.01
    right, wrong, across = (lambda x, way=way: x @ torch.tensor(way) for way in ([1.0, 0.0], [-5.0, 0.0], [0.0, 2.0]))
    assert float(transport_cosine(right, real, fake)) == pytest.approx(1, abs=1e-3)
    assert float(transport_cosine(wrong, real, fake)) == pytest.approx(-1, abs=1e-3)
    assert float(transport_cosine(across, real, fake)) == pytest.approx(0, abs=0.02)


def test_gradients_by_layer_against_the_chain_rule():
    critic = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    at = torch.randn(7, 2)
    found = layer_gradient_norms(critic, lambda x: critic(x)[:, 0].square().sum(), at)
    hidden = critic[0](at)
    last = critic[2](hidden.tanh())
    of_last = 2 * last.detach()
    of_first = of_last * critic[2].weight.detach() * (1 - hidden.detach().tanh() ** 2)
    assert found.tolist() == pytest.approx([float(of_first.norm()), float(of_last.norm())], rel=1e-5)
