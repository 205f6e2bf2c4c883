"""Objectives, constraints and optimisers against the papers' formulas in float64; one contract for every component."""

import inspect
from copy import deepcopy
from itertools import product

import numpy as np
import pytest
import torch
from ganflow.methods.adversarial import Adversarial, parts
from ganflow.methods.slopes import gradient_norms, summary
from ganflow.training.images import to_pixels
from repository import TOP
from torch import nn

from ganflow import config
from ganflow.components import component_class, names
from ganflow.config import Choice, Training, Variant
from ganflow.data.interfaces import Format
from ganflow.errors import UserError
from ganflow.methods import conditionings, constraints, objectives, optimizers
from ganflow.methods.constraints.gradient_penalty import GradientPenalty
from ganflow.methods.constraints.spectral_norm import SpectralNorm
from ganflow.methods.constraints.unit_sphere import UnitSphere
from ganflow.methods.constraints.weight_clipping import WeightClipping
from ganflow.methods.interfaces import Conditioning, Constraint, Objective, Optimizer
from ganflow.methods.objectives.f_gan import DIVERGENCES
from ganflow.methods.objectives.non_saturating import NonSaturating
from ganflow.methods.objectives.wasserstein import Wasserstein
from ganflow.methods.optimizers.adam import Adam
from ganflow.methods.optimizers.rmsprop_tf1 import RMSPropTF1
from ganflow.networks.families.dcgan import DCGAN
from ganflow.networks.interfaces import codes
from ganflow.randomness import generator

REAL = torch.tensor([1.5, -0.3, 2.0], dtype=torch.float64)
FAKE = torch.tensor([0.2, -4.0, 0.9], dtype=torch.float64)
ALL = [
    (package, kind, name)
    for package, kind in (
        (objectives, Objective),
        (constraints, Constraint),
        (conditionings, Conditioning),
        (optimizers, Optimizer),
    )
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


@pytest.mark.parametrize("name", names(Objective))
def test_objectives_drive_critic_and_generator_apart(name):
    objective = component_class(Objective, name, "where")()
    real, fake = REAL / 4, FAKE / 16  # below least squares' target for real images and above that for generated ones
    assert objective.critic_loss(real + 0.1, fake - 0.1) < objective.critic_loss(real, fake)
    assert objective.estimate(real + 0.1, fake - 0.1) > objective.estimate(real, fake)
    assert objective.generator_loss(fake + 0.1) < objective.generator_loss(fake)


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


def test_slopes_of_a_linear_critic():
    weight = torch.ones(12, dtype=torch.float64)
    images, epsilon = torch.randn(2, 9, 3, 2, 2, dtype=torch.float64), torch.rand(9, dtype=torch.float64)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):  # as in validation
        norms = gradient_norms(lambda x: linear_critic(weight)(x), *images, epsilon, create_graph=False)
    assert torch.allclose(norms, torch.full((9,), 12**0.5, dtype=torch.float64), rtol=1e-12)
    assert norms.dtype == torch.float64 and not norms.requires_grad
    known = torch.arange(11, dtype=torch.float64)
    expected = {"g": 5, "g_q10": 1, "g_q50": 5, "g_q90": 9}
    assert {key: value.item() for key, value in summary(known, "g").items()} == expected


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


def variant(**changes) -> Variant:
    chosen = {"network": {"dcgan": {"width": 4}}, "objective": "non_saturating", "optimizer": "adam"}
    return Variant.model_validate(chosen | changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objective": "wasserstein"}, "without a constraint has no optimum"),
        ({"objective": "wasserstein", "constraint": "gradient_penalty"}, "batch normalisation in the critic mixes"),
        ({"constraint": "weight_clipping"}, "as of a sigmoid loss, and clipping only starves"),
        ({"constraint": "unit_sphere", "objective": "least_squares"}, "the sphere only starves"),
        ({"constraint": "spectral_norm"}, "which undoes the bound"),
        (
            {"objective": {"least_squares": {"a": 1.0}}},
            r"least_squares: a = 1.0, b = 1.0, c = 1.0: b and c must be above",
        ),
        ({"objective": {"f_gan": {"divergence": "js"}}}, r"f_gan\.divergence = 'js'"),
        ({"critic_network": "mpl"}, "critic_network = 'mpl': .*did you mean `mlp`"),
        ({"objective": "wassersten"}, "did you mean `wasserstein`"),
        ({"optimizer": {"adam": {"learning_rate": 1.0}}}, r"optimizer\.adam\.learning_rate: unknown key"),
        ({"network": "resnet50"}, "no such component"),
        ({"constraint": {"weight_clipping": {"limit": -1.0}}}, r"weight_clipping\.limit = -1\.0"),
    ],
)
def test_senseless_variants_are_refused_with_the_reason(changes, said):
    with pytest.raises(UserError, match=said):
        parts("v", variant(**changes), (32, 32, 3))


def test_a_resolution_that_a_network_is_not_made_for():
    with pytest.raises(UserError, match="not 48"):
        parts("v", variant(), (48, 48, 3))


def test_only_the_loss_differs_between_the_plain_variants():
    variants = config.load(TOP / "profiles/quickstart.yaml").variants
    plain, penalised = variants["gan_plain"].model_dump(), variants["wgan_gp_plain"].model_dump()
    assert {key for key in plain if plain[key] != penalised[key]} == {"objective", "constraint"}
    assert DCGAN(**plain["network"]["settings"]).critic_mixes_samples() is False


def test_choice_of_a_component_by_name():
    with pytest.raises(UserError, match="did you mean `adam`"):
        parts("v", variant(optimizer=Choice(name="adm").name), (32, 32, 3))


OBJECTIVES = [*(set(names(Objective)) - {"f_gan"}), *({"f_gan": {"divergence": name}} for name in DIVERGENCES)]
PAIRS = list(product(sorted(OBJECTIVES, key=str), names(Constraint), ("batch", "layer", "none")))


@pytest.mark.parametrize(("objective", "constraint", "norm"), PAIRS, ids=lambda value: str(value))
def test_every_pair_trains_or_is_refused_with_a_sentence(objective, constraint, norm):
    chosen = variant(
        network={"dcgan": {"width": 4, "critic_norm": norm}},
        objective=objective,
        constraint=constraint,
        optimizer="adam",
    )
    training = Training(iterations=1, latent=5, batch_size=4)
    try:
        method = Adversarial("v", chosen, training, (16, 16, 3), 0, "cpu")
    except UserError as error:
        assert str(error).startswith(f"params.yaml: variants.v.constraint = {constraint!r}: ")
        assert len(str(error)) > 100
        return
    refused = {("gradient_penalty", "batch"), ("spectral_norm", "batch"), ("spectral_norm", "layer")}
    assert (constraint, norm) not in refused
    assert (objective == "wasserstein") == (constraint in ("weight_clipping", "unit_sphere")) or (
        constraint in ("gradient_penalty", "spectral_norm")
    )
    one_iteration(method)


def one_iteration(method: Adversarial) -> None:
    """The updates in their order, then a validation; all values are finite and every parameter has moved."""
    before = {key: [p.detach().clone() for p in module.parameters()] for key, module in method.modules.items()}
    for update in method.updates:
        for key, module in method.modules.items():
            module.requires_grad_(key == update.trains)
        update.before()
        loss, values = update.loss(RandomDraws(4, 5))
        loss.backward()
        method.optimizers[update.trains].step()
        update.after()
        assert torch.isfinite(torch.stack([loss.detach(), *values.values()])).all()
    for key, module in method.modules.items():
        moved = [not torch.equal(p, old) for p, old in zip(module.parameters(), before[key], strict=True)]
        assert sum(moved) >= 0.8 * len(moved)  # a bias before a normalisation, or of a difference of means, stays
    means, norms = method.validation(RandomDraws(4, 5)), method.gradient_norms(RandomDraws(4, 5))
    found = method.slopes(norms, {key: float(value) for key, value in means.items()})
    assert norms.shape == (4,) and np.isfinite([*found.values(), *map(float, means.values())]).all()


class RandomDraws:
    """Draws of one step, of 16-pixel images of 3 classes."""

    def __init__(self, size: int, latent: int):
        self.size, self.dimension = size, latent
        self.real = torch.rand(size, 3, 16, 16) * 2 - 1

    def latent(self):
        return torch.randn(self.size, self.dimension)

    def uniform(self):
        return torch.rand(self.size)

    def noise(self):
        return torch.rand(self.real.shape)

    def labels(self):
        return torch.arange(self.size) % 3

    def classes(self, count):
        return torch.randint(max(count, 1), (self.size,))


@pytest.mark.parametrize("conditioning", names(Conditioning))
@pytest.mark.parametrize("network", ["dcgan", "mlp"])
@pytest.mark.parametrize("constraint", ["gradient_penalty", "spectral_norm"])
def test_every_conditioning_trains_every_network(conditioning, network, constraint):
    settings = {"width": 4, "norm": "none"} if network == "dcgan" else {"width": 4}
    chosen = variant(network={network: settings}, constraint=constraint, conditioning=conditioning)
    training = Training(iterations=1, latent=5, batch_size=4)
    one_iteration(Adversarial("v", chosen, training, (16, 16, 3), 0, "cpu", classes=3))


@pytest.mark.parametrize("conditioning", ["concat", "auxiliary"])
def test_conditioning_on_images_without_classes_is_refused(conditioning):
    with pytest.raises(UserError, match="needs classes, and datasets.d has none; condition on"):
        parts("v", variant(conditioning=conditioning), (32, 32, 3), labelled=False, dataset="datasets.d")


def test_a_concatenated_class_is_seen_by_both_networks():
    chosen = variant(network={"dcgan": {"width": 4, "norm": "none", "weight_std": None}}, conditioning="concat")
    method = Adversarial("v", chosen, Training(iterations=1, latent=5), (16, 16, 3), 0, "cpu", classes=3)
    images = method.modules["generator"](codes(torch.ones(3, 5), torch.arange(3), 3))
    assert len(images.detach().flatten(1).unique(dim=0)) == 3
    planes = method.conditioning.view(images, torch.arange(3), 3)
    assert torch.equal(planes[:, :3], images)
    assert torch.equal(planes[:, 3:].amax((2, 3)), torch.eye(3)) and torch.equal(
        planes[:, 3:].amin((2, 3)), torch.eye(3)
    )


def test_dequantised_images_are_the_bytes_and_noise_and_come_back_as_the_bytes():
    chosen, training = variant(), Training(iterations=1, latent=5, dequantise=True)
    method = Adversarial("v", chosen, training, (16, 16, 3), 0, "cpu")
    bytes_ = torch.arange(256).repeat(3).reshape(1, 3, 16, 16)
    draws = RandomDraws(1, 5)
    draws.real, noise = bytes_ / 127.5 - 1, torch.rand(1, 3, 16, 16)
    draws.noise = lambda: noise
    seen = method._real(draws)
    expected = 2 * (bytes_.double() / 256 - 0.5) + noise.double() / 128  # U(0, 1/128)
    assert (seen - expected).abs().max() < 1e-6
    assert seen.min() >= -1 - 1e-6 and seen.max() < 1
    inside = (noise > 0.01) & (noise < 0.99)
    shown = torch.from_numpy(to_pixels(seen * method.image_scale)).permute(0, 3, 1, 2)
    assert torch.equal(shown[inside], bytes_.byte()[inside])


def test_rates_fall_linearly_and_depend_on_the_iteration_alone():
    chosen = variant(optimizer={"rmsprop_tf1": {"lr": 0.5, "decay": "linear"}})
    method = Adversarial("v", chosen, Training(iterations=4, latent=5), (16, 16, 3), 0, "cpu")
    rates = []
    for iteration in (0, 1, 2, 3, 1):
        method.begin(iteration)
        rates.append({group["lr"] for one in method.optimizers.values() for group in one.param_groups})
    assert rates == [{0.5}, {0.375}, {0.25}, {0.125}, {0.375}]


def test_rmsprop_of_tensorflow_1_against_its_formula():
    """ApplyRMSProp without momentum: ms += (g^2 - ms) (1 - rho), var -= lr g / sqrt(ms + epsilon), ms from 1."""
    weight = nn.Parameter(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64))
    optimizer = RMSPropTF1(lr=0.1).build([weight], "critic")
    expected, square = weight.detach().numpy().copy(), np.ones(3)
    for step in range(20):
        gradient = np.array([1e-3, np.sin(step), 5.0])
        weight.grad = torch.from_numpy(gradient)
        optimizer.step()
        square += (gradient**2 - square) * (1 - 0.9)
        expected -= 0.1 * gradient / np.sqrt(square + 1e-10)
        assert np.allclose(weight.detach().numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("decoupled", [False, True])
def test_weight_decay_is_of_the_critic_alone(decoupled):
    adam = Adam(lr=0.1, betas=(0.0, 0.9), critic_weight_decay=0.01, decoupled=decoupled)
    after = {}
    for trains in ("generator", "critic"):
        weight = nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
        optimizer = adam.build([weight], trains)
        for slope in (0.3, -0.1):
            weight.grad = torch.tensor([slope], dtype=torch.float64)
            optimizer.step()
        after[trains] = weight.item()
    for trains, decay in (("generator", 0.0), ("critic", 0.01)):
        w, second = 2.0, 0.0
        for step, slope in enumerate((0.3, -0.1), 1):
            w *= 1 - 0.1 * decay if decoupled else 1
            g = slope + (0 if decoupled else decay * w)
            second = 0.9 * second + 0.1 * g**2
            w -= 0.1 * g / ((second / (1 - 0.9**step)) ** 0.5 + 1e-8)
        assert after[trains] == pytest.approx(w, rel=1e-12)


def test_a_penalised_estimate_is_told_from_a_clipped_one():
    network = {"dcgan": {"width": 4, "critic_norm": "none"}}
    slopes = {}
    for constraint in ("weight_clipping", "unit_sphere", "gradient_penalty", "spectral_norm"):
        chosen = variant(network=network, objective="wasserstein", constraint=constraint)
        method = Adversarial("v", chosen, Training(iterations=1, latent=5), (16, 16, 3), 0, "cpu")
        slopes[constraint] = method.legend()["slope"]
        values = method.slopes(torch.tensor([0.5, 2.0]), {"validation_estimate": 3.0})
        assert values["validation_estimate_over_slope"] == 1.5 and values["validation_gradient_norm_max"] == 2.0
    assert slopes.pop("gradient_penalty") == "near 1" and set(slopes.values()) == {"unknown"}
    plain = Adversarial("v", variant(), Training(iterations=1, latent=5), (16, 16, 3), 0, "cpu")
    assert plain.legend()["slope"] == "free"
    assert "validation_estimate_over_slope" not in plain.slopes(torch.ones(2), {"validation_estimate": 0.1})


@pytest.mark.parametrize("profile", sorted((TOP / "profiles").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_variant_of_every_profile_is_sensible_and_builds(profile):
    experiment = config.load(profile)
    for name, chosen in experiment.variants.items():
        for dataset in experiment.datasets.values():
            form = component_class(Format, dataset.format, "where")
            made = parts(name, chosen, dataset.shape, form.labelled)
            with torch.device("meta"):
                made.network.generator(dataset.shape[0], experiment.training_of(name).latent)
                made.critic_network.critic(dataset.shape[0], dataset.shape[-1])


def test_faithful_presets_differ_in_what_the_papers_vary_alone():
    """WGAN-GP's figure 2: one recipe for each loss, whatever the network."""
    variants = config.load(TOP / "profiles/papers-lsun.yaml").variants
    for loss in ("dcgan", "lsgan", "wgan", "wgan_gp"):
        nets = ("baseline", "constant_filters", "mlp", "no_norm", "gated", "tanh", "resnet101")
        recipes = [variants[f"{loss}_{net}"].model_dump(exclude={"network", "critic_network"}) for net in nets]
        assert all(recipe == recipes[0] for recipe in recipes)
        assert all(not variants[f"{loss}_{net}"].training for net in nets)
    assert config.load(TOP / "profiles/papers-lsun.yaml").training.ema == 0
