"""Every objective: it drives critic and generator apart, its numbers are what its legend says, its gradients are
finite."""

import math

import pytest
import torch

from ganflow.components import component_class, names
from ganflow.methods.components import Objective

OBJECTIVES = {name: component_class(Objective, name, "where")() for name in names(Objective)}
REAL = torch.tensor([1.5, -0.3, 2.0], dtype=torch.float64) / 4
FAKE = torch.tensor([0.2, -4.0, 0.9], dtype=torch.float64) / 16
FLAT = torch.linspace(-5, 5, 2001, dtype=torch.float64)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_critic_and_generator_are_driven_apart(name):
    objective = OBJECTIVES[name]
    assert objective.critic_loss(REAL + 0.1, FAKE - 0.1) < objective.critic_loss(REAL, FAKE)
    assert objective.estimate(REAL + 0.1, FAKE - 0.1) > objective.estimate(REAL, FAKE)
    assert objective.generator_loss(FAKE + 0.1) < objective.generator_loss(FAKE)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_losses_are_means_with_finite_gradients(name):
    objective = OBJECTIVES[name]
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    critic, generator = objective.critic_loss(real, fake), objective.generator_loss(fake)
    for loss in (critic, generator):
        assert loss.shape == () and loss.dtype == torch.float64
        gradient = torch.autograd.grad(loss, [real, fake], allow_unused=True)
        assert all(part.isfinite().all() for part in gradient if part is not None)
        assert gradient[1] is not None and gradient[1].any()
    twice = objective.critic_loss(REAL.repeat(2), FAKE.repeat(2)), objective.generator_loss(FAKE.repeat(2))
    assert twice[0].item() == pytest.approx(critic.item()) and twice[1].item() == pytest.approx(generator.item())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_legend_is_true(name):
    """No score that does not depend on its input has a smaller loss than `chance_loss`, its estimate is 0, and no
    estimate is above the largest."""
    objective, legend = OBJECTIVES[name], OBJECTIVES[name].legend
    assert legend.estimate and legend.formula and legend.critic_loss
    losses = torch.stack([objective.critic_loss(score[None], score[None]) for score in FLAT])
    assert losses.min().item() == pytest.approx(legend.chance_loss, abs=1e-5)
    at = FLAT[losses.argmin()][None]
    assert objective.estimate(at, at).item() == pytest.approx(legend.smallest or 0, abs=1e-5)
    ends = [torch.tensor([end], dtype=torch.float64) for end in (1.0, 2.0, 40.0)]
    far = max(objective.estimate(real, -fake).item() for real in ends for fake in ends)
    assert far <= (math.inf if legend.largest is None else legend.largest) + 1e-6


@pytest.mark.parametrize("name", OBJECTIVES)
def test_scores_above_the_threshold_say_real(name):
    """At the threshold the critic is undecided: its loss is that of chance, and moves either way from there."""
    objective = OBJECTIVES[name]
    if objective.threshold is None:
        assert not objective.probability
        return
    at = torch.tensor([objective.threshold], dtype=torch.float64)
    assert objective.critic_loss(at, at).item() == pytest.approx(objective.legend.chance_loss, abs=1e-9)
    assert objective.critic_loss(at + 0.1, at - 0.1) < objective.critic_loss(at - 0.1, at + 0.1)
    assert not objective.probability or objective.threshold == 0
