"""Objectives, constraints and optimisers against the papers' formulas in float64; one contract for every component."""

import inspect

import numpy as np
import pytest
import torch
from torch import nn

from ganflow.components import component_class, names
from ganflow.config import Choice, Training, Variant
from ganflow.errors import UserError
from ganflow.methods import constraints, objectives, optimizers
from ganflow.methods.adversarial import Adversarial, parts
from ganflow.methods.constraints.gradient_penalty import GradientPenalty
from ganflow.methods.constraints.weight_clipping import WeightClipping
from ganflow.methods.interfaces import Constraint, Objective, Optimizer
from ganflow.methods.objectives.non_saturating import NonSaturating
from ganflow.methods.objectives.wasserstein import Wasserstein
from ganflow.networks.families.dcgan import DCGAN

REAL = torch.tensor([1.5, -0.3, 2.0], dtype=torch.float64)
FAKE = torch.tensor([0.2, -4.0, 0.9], dtype=torch.float64)
ALL = [
    (package, kind, name)
    for package, kind in ((objectives, Objective), (constraints, Constraint), (optimizers, Optimizer))
    for name in names(package)
]


@pytest.mark.parametrize(("package", "kind", "name"), ALL, ids=[name for _, _, name in ALL])
def test_every_component_keeps_the_contract(package, kind, name):
    found = component_class(package, kind, name, "where")
    made = found()  # every setting has a default
    assert found.__doc__ and inspect.getmodule(found).__doc__
    for key, field in found.model_fields.items():
        assert field.description, f"{name}.{key} is not described"
    assert found.model_validate(made.model_dump()) == made
    with pytest.raises(Exception, match="Extra inputs"):
        found(unknown_setting=1)


@pytest.mark.parametrize("name", names(objectives))
def test_objectives_drive_critic_and_generator_apart(name):
    objective = component_class(objectives, Objective, name, "where")()
    better = objective.critic_loss(REAL + 1, FAKE - 1)
    assert better < objective.critic_loss(REAL, FAKE)
    assert objective.estimate(REAL + 1, FAKE - 1) > objective.estimate(REAL, FAKE)
    assert objective.generator_loss(FAKE + 1) < objective.generator_loss(FAKE)


def test_wasserstein():
    objective = Wasserstein()
    assert objective.critic_loss(REAL, FAKE).item() == pytest.approx(np.mean(FAKE.numpy()) - np.mean(REAL.numpy()))
    assert objective.generator_loss(FAKE).item() == pytest.approx(-np.mean(FAKE.numpy()))
    assert objective.estimate(REAL, FAKE) == -objective.critic_loss(REAL, FAKE)


def test_non_saturating():
    real, fake = 1 / (1 + np.exp(-REAL.numpy())), 1 / (1 + np.exp(-FAKE.numpy()))
    objective = NonSaturating()
    loss = -np.log(real).mean() - np.log(1 - fake).mean()
    assert objective.critic_loss(REAL, FAKE).item() == pytest.approx(loss, rel=1e-12)
    assert objective.generator_loss(FAKE).item() == pytest.approx(-np.log(fake).mean(), rel=1e-12)


def test_jensen_shannon_estimate_is_exact_at_the_optimum():
    p, q = np.array([0.5, 0.4, 0.1]), np.array([0.2, 0.2, 0.6])
    logits = torch.tensor(np.log(p / q))  # D* = p / (p + q)
    counts = 10
    real = logits.repeat_interleave(torch.tensor((p * counts).round().astype(int)))
    fake = logits.repeat_interleave(torch.tensor((q * counts).round().astype(int)))
    middle = (p + q) / 2
    js = 0.5 * (p * np.log(p / middle)).sum() + 0.5 * (q * np.log(q / middle)).sum()
    assert NonSaturating().estimate(real, fake).item() == pytest.approx(js, rel=1e-12)


def linear_critic(weight: torch.Tensor) -> nn.Module:
    critic = nn.Sequential(nn.Flatten(), nn.Linear(weight.numel(), 1, bias=False), nn.Flatten(0)).double()
    critic[1].weight.data = weight.reshape(1, -1).clone()
    return critic


@pytest.mark.parametrize(
    ("one_sided", "scale", "expected"), [(False, 3, 40), (False, 0.5, 2.5), (True, 3, 40), (True, 0.5, 0)]
)
def test_gradient_penalty_of_a_linear_critic(one_sided, scale, expected):
    weight = torch.ones(12, dtype=torch.float64) / 12**0.5 * scale  # the gradient's norm is the scale, everywhere
    images = torch.randn(2, 4, 3, 2, 2, dtype=torch.float64)
    penalty, values = GradientPenalty(weight=10.0, one_sided=one_sided).penalty(
        linear_critic(weight), images[0], images[1], torch.rand(4, dtype=torch.float64)
    )
    assert penalty.item() == pytest.approx(expected, rel=1e-12, abs=1e-24)
    assert values["gradient_norm"].item() == pytest.approx(scale, rel=1e-12)


def test_gradient_penalty_is_finite_at_zero_gradient_and_always_float32():
    critic = linear_critic(torch.zeros(12, dtype=torch.float64)).float()
    images = torch.randn(2, 4, 3, 2, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        penalty, _ = GradientPenalty().penalty(critic, *images.bfloat16(), torch.rand(4))
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
    GradientPenalty().penalty(Recorder(), real, fake, epsilon)
    assert torch.equal(seen[0], epsilon.view(3, 1, 1, 1).expand(3, 3, 2, 2))


def test_gradient_penalty_gradient_against_finite_differences():
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Softplus(), nn.Linear(5, 1), nn.Flatten(0)).double()
    real, fake = torch.randn(2, 4, 3, 2, 2, dtype=torch.float64)
    epsilon = torch.rand(4, dtype=torch.float64)
    constraint = GradientPenalty()
    penalty, _ = constraint.penalty(critic, real, fake, epsilon)
    [gradient] = torch.autograd.grad(penalty, critic[1].weight)
    direction, step = torch.randn_like(gradient), 1e-5
    with torch.no_grad():
        critic[1].weight += step * direction
    above = constraint.penalty(critic, real, fake, epsilon)[0].item()
    with torch.no_grad():
        critic[1].weight -= 2 * step * direction
    below = constraint.penalty(critic, real, fake, epsilon)[0].item()
    assert (gradient * direction).sum().item() == pytest.approx((above - below) / (2 * step), rel=1e-7)


@pytest.mark.parametrize("when", ["before", "after"])
def test_weight_clipping_clips_everything_at_its_time(when):
    critic = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    constraint = WeightClipping(limit=0.01, when=when)
    (constraint.after_step if when == "before" else constraint.before_step)(critic)
    assert max(p.abs().max() for p in critic.parameters()) > 0.01
    (constraint.before_step if when == "before" else constraint.after_step)(critic)
    assert all(p.abs().max() <= 0.01 for p in critic.parameters())
    assert critic[1].weight.min() == 0.01  # the gain of a normalisation, 1 before, too


def variant(**changes) -> Variant:
    chosen = {"network": {"dcgan": {"width": 4}}, "objective": "non_saturating", "optimizer": "adam"}
    return Variant.model_validate(chosen | changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objective": "wasserstein"}, "without a constraint has no optimum"),
        ({"objective": "wasserstein", "constraint": "gradient_penalty"}, "batch normalisation in the critic mixes"),
        ({"constraint": "weight_clipping"}, "with a sigmoid loss"),
        ({"objective": "wassersten"}, "did you mean `wasserstein`"),
        ({"optimizer": {"adam": {"learning_rate": 1.0}}}, r"optimizer\.adam\.learning_rate: unknown key"),
        ({"network": "resnet50"}, "no such component"),
        ({"constraint": {"weight_clipping": {"limit": -1.0}}}, r"weight_clipping\.limit = -1\.0"),
    ],
)
def test_senseless_variants_are_refused_with_the_reason(changes, said):
    with pytest.raises(UserError, match=said):
        parts("v", variant(**changes), 32)


def test_a_resolution_that_a_network_is_not_made_for():
    with pytest.raises(UserError, match="not 48"):
        parts("v", variant(), 48)


def literal_wgan_gp_step(critic, generator, real, latent, epsilon, weight):
    """Algorithm 1 of WGAN-GP, lines 4 to 8, sample by sample."""
    losses = []
    for x, z, e in zip(real, latent, epsilon, strict=True):
        x_tilde = generator(z[None])[0].detach()
        x_hat = (e * x + (1 - e) * x_tilde).requires_grad_()
        [gradient] = torch.autograd.grad(critic(x_hat[None])[0], x_hat, create_graph=True)
        losses.append(critic(x_tilde[None])[0] - critic(x[None])[0] + weight * (gradient.norm() - 1) ** 2)
    return torch.stack(losses).mean()


def test_critic_loss_of_wgan_gp_against_the_papers_algorithm():
    chosen = variant(
        network={"dcgan": {"width": 4, "norm": "none", "weight_std": None}},
        objective="wasserstein",
        constraint="gradient_penalty",
    )
    method = Adversarial("v", chosen, Training(iterations=1, latent=5, batch_size=6), 16, 0, "cpu")
    for module in method.modules.values():
        module.double()
    real = torch.rand(6, 3, 16, 16, dtype=torch.float64) * 2 - 1
    latent, epsilon = torch.randn(6, 5, dtype=torch.float64), torch.rand(6, dtype=torch.float64)

    class Fixed:
        def __init__(self):
            self.real = real

        def latent(self):
            return latent

        def uniform(self):
            return epsilon

    critic = method.modules["critic"]
    loss, _ = method.updates[0].loss(Fixed())
    expected = literal_wgan_gp_step(critic, method.modules["generator"], real, latent, epsilon, 10.0)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    found = torch.autograd.grad(loss, list(critic.parameters()))
    wanted = torch.autograd.grad(expected, list(critic.parameters()))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_only_the_loss_differs_between_the_plain_variants():
    from ganflow import config

    variants = config.load(config.Path(__file__).parents[1] / "profiles/quickstart.yaml").variants
    plain, penalised = variants["gan_plain"].model_dump(), variants["wgan_gp_plain"].model_dump()
    assert {key for key in plain if plain[key] != penalised[key]} == {"objective", "constraint"}
    assert DCGAN(**plain["network"]["settings"]).critic_mixes_samples() is False


def test_choice_of_a_component_by_name():
    with pytest.raises(UserError, match="did you mean `adam`"):
        parts("v", variant(optimizer=Choice(name="adm").name), 32)
