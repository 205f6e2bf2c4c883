"""Methods that translate images against literal transcriptions of their papers' algorithms, in float64, and what they
refuse."""

import pytest
import torch
from models import CONDITIONS, IMAGES, built, of_a_method, task, variant
from torch import Tensor
from transcriptions import ITERATIONS, SIZE, Adam, assert_equal, bce, torch_rmsprop, trained

from ganflow.data.conditions.attributes import Attributes
from ganflow.data.conditions.counterpart import Counterpart
from ganflow.data.conditions.low_resolution import LowResolution
from ganflow.errors import UserError
from ganflow.methods.interfaces import Task
from ganflow.methods.tasks import method_of

DOMAINS = [{"class": "a"}, {"class": "b"}]
BEFORE_NORMS = (
    r".*encoder\.[12]\.1\.bias|.*decoder\.[0-2]\.1\.bias|.*critic\.(2|5)\.bias"  # or before a difference of means
)
FAMILY = {"unet": {"width": 2, "patch_layers": 1}}


def distance(one: Tensor, other: Tensor, power: int = 1) -> Tensor:
    """Number by number."""
    pairs = zip(one.flatten().tolist() if not one.requires_grad else one.flatten(), other.flatten(), strict=True)
    return sum(abs(a - b) ** power for a, b in pairs) / one.numel()


@pytest.mark.parametrize("weight", [1.0, 0.0])
def test_pix2pix(monkeypatch, weight):
    """Equations 1 to 4 of section 3.1: D's objective halved (section 3.3) on (x, y) and (x, G(x, z)); G by -E log D and
    lambda L1, z the numbers of dropout."""
    method = {"pix2pix": {"condition": "edges", "weight": 7.0, "adversarial": weight}}
    chosen = {"network": FAMILY, "method": method, "optimizer": {"adam": {"lr": 1e-3}}}
    nets, work, draws = trained(monkeypatch, chosen, 16)
    g, d, of_g, of_d = nets["generator"], nets["critic"], Adam(0.5, 0.999), Adam(0.5, 0.999)
    for critic_draws, generator_draws in zip(draws[::2], draws[1::2], strict=True):
        x, y = critic_draws.batch().images("edges"), critic_draws.real
        fake = g(critic_draws.normal("latent", (SIZE, work.model.latent)), x).detach()
        loss = (bce(d(torch.cat([x, y], 1)).flatten(), 1) + bce(d(torch.cat([x, fake], 1)).flatten(), 0)) / 2
        of_d.step(d, loss, 1e-3)
        x, y = generator_draws.batch().images("edges"), generator_draws.real
        fake = g(generator_draws.normal("latent", (SIZE, work.model.latent)), x)
        loss = weight * bce(d(torch.cat([x, fake], 1)).flatten(), 1) + 7.0 * distance(fake, y)
        of_g.step(g, loss, 1e-3)
    assert_equal(work.model.modules, nets, BEFORE_NORMS, 1e-2)


class Pool:
    """Algorithm of the authors' image buffer, for one domain: image by image."""

    def __init__(self, size: int):
        self.images, self.size = [], size

    def query(self, fakes: Tensor, places: Tensor, kept: Tensor) -> Tensor:
        if len(self.images) < self.size:
            self.images += list(fakes)[: self.size - len(self.images)]
            return fakes
        given = []
        for fake, place, chance in zip(fakes, places.argsort()[: len(fakes)].tolist(), kept.tolist(), strict=True):
            given.append(self.images[place] if chance < 0.5 else fake)
            if chance < 0.5:
                self.images[place] = fake
        return torch.stack(given)


LEAST_SQUARES = (
    lambda real, fake: (((real - 1) ** 2).mean() + (fake**2).mean()) / 2,
    lambda fake: ((fake - 1) ** 2).mean(),
)
GAN = (
    lambda real, fake: bce(real.flatten(), 1) + bce(fake.flatten(), 0),
    lambda fake: bce(fake.flatten(), 1),
)
WGAN = (lambda real, fake: fake.mean() - real.mean(), lambda fake: -fake.mean())
CASES = {  # losses of critic and translator, power of the distance, settings, clipping
    "cyclegan": (LEAST_SQUARES, 1, {"weight": 3.0, "identity": 0.5, "buffer": 7}, None),
    "discogan": (GAN, 2, {}, None),
    "dualgan": (WGAN, 1, {"critic_steps": 2}, 0.01),
}


@pytest.mark.parametrize("name", CASES)
def test_two_domains(monkeypatch, name):
    """CycleGAN, equations 1 to 3, with its identity loss and buffer (sections 4 and 5.2); DiscoGAN, equations 3 to 8;
    DualGAN, Algorithm 1: RMSProp, and critics clipped after their steps."""
    (critic_loss, generator_loss), power, settings, limit = CASES[name]
    optimizer = {"rmsprop": {"lr": 1e-3}} if limit else {"adam": {"lr": 1e-3}}
    method = {name: {"domains": DOMAINS} | settings}
    nets, work, draws = trained(
        monkeypatch, {"network": FAMILY, "method": method, "optimizer": optimizer}, 16, latent=100
    )
    chosen, latent = work.model.chosen, (SIZE, work.model.latent)
    g, f, d_b, d_a = (nets[name] for name in ("generator", "inverse", "critic", "inverse_critic"))
    of_d, of_g = (torch_rmsprop(), torch_rmsprop()) if limit else (Adam(0.5, 0.999), Adam(0.5, 0.999))
    pools, made = (Pool(chosen.buffer), Pool(chosen.buffer)), iter(draws)

    def there(drawn) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        a, b = (drawn.batch(role).values for role in ("first_domain", "second_domain"))
        to_b = g(drawn.normal("latent/generator/there", latent), a)
        return a, b, to_b, f(drawn.normal("latent/inverse/there", latent), b)

    for _ in range(ITERATIONS):
        for _ in range(chosen.critic_steps):
            drawn = next(made)
            a, b, to_b, to_a = (values.detach() for values in there(drawn))
            if chosen.buffer:
                to_b, to_a = (
                    pool.query(
                        fakes,
                        drawn.uniform(f"buffer/{key}/places", (chosen.buffer,)),
                        drawn.uniform(f"buffer/{key}/kept", (SIZE,)),
                    )
                    for pool, fakes, key in zip(pools, (to_b, to_a), ("generator", "inverse"), strict=True)
                )
            loss = critic_loss(d_b(b), d_b(to_b)) + critic_loss(d_a(a), d_a(to_a))
            of_d.step(torch.nn.ModuleList([d_b, d_a]), loss, 1e-3)
            if limit:
                for parameter in [*d_b.parameters(), *d_a.parameters()]:
                    parameter.data = parameter.data.clamp(-limit, limit)
        drawn = next(made)
        a, b, to_b, to_a = there(drawn)
        loss = generator_loss(d_b(to_b)) + generator_loss(d_a(to_a))
        back_a = f(drawn.normal("latent/inverse/back", latent), to_b)
        back_b = g(drawn.normal("latent/generator/back", latent), to_a)
        loss = loss + chosen.weight * (distance(back_a, a, power) + distance(back_b, b, power))
        if chosen.identity:
            same_b = g(drawn.normal("latent/generator/identity", latent), b)
            same_a = f(drawn.normal("latent/inverse/identity", latent), a)
            loss = loss + chosen.identity * chosen.weight * (distance(same_b, b) + distance(same_a, a))
        of_g.step(torch.nn.ModuleList([g, f]), loss, 1e-3)
    assert next(made, None) is None
    assert_equal(work.model.modules, nets, BEFORE_NORMS, 1e-2)
    for key, pool in zip(("generator", "inverse"), pools, strict=True):
        if chosen.buffer:
            assert (work.model.state[key] - torch.stack(pool.images)).abs().max() <= 1e-12


def refusal(chosen: dict, labelled: bool = True, conditions: dict | None = None) -> str:
    base = of_a_method("unet", next(iter(chosen["method"])), IMAGES[0])
    made = task(variant(**(base | chosen)), labelled=labelled)
    known = CONDITIONS if conditions is None else conditions
    with pytest.raises(UserError) as caught:
        method_of(Task(made.name, made.variant, made.training, IMAGES, labelled, "datasets.d", known))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def cyclegan(**settings) -> dict:
    return {"method": {"cyclegan": {"domains": DOMAINS} | settings}}


@pytest.mark.parametrize(
    ("chosen", "labelled", "said"),
    [
        ({"method": {"pix2pix": {"condition": "greyscale"}}}, True, "datasets.d has no such condition; name it in its"),
        (
            {"method": {"pix2pix": {}}, "network": {"dcgan": {}}},
            True,
            "does not train it; choose resnet_translator or unet",
        ),
        (
            cyclegan(domains=[{"time": "day"}, {"time": "night"}]),
            True,
            "datasets.d has no attributes; name the condition",
        ),
        (cyclegan(), False, "class: datasets.d has no classes"),
        (cyclegan(domains=[{}, {"class": "a"}]), True, "a domain is empty"),
        (cyclegan(domains=[{"class": "a"}, {"class": "a"}]), True, "are equal"),
        (cyclegan(buffer=3), True, "buffer = 3: is smaller than training.batch_size = 4"),
    ],
)
def test_what_is_refused(chosen, labelled, said):
    assert said in refusal(chosen, labelled)


def test_a_condition_has_the_size_of_the_images():
    chosen = {"method": {"pix2pix": {"condition": "low_resolution"}}}
    assert "has 4 pixels a side, and the images have 16" in refusal(
        chosen, conditions={"low_resolution": LowResolution()}
    )


def test_the_counterpart_is_found_by_its_attribute():
    conditions = {
        "attributes": Attributes(),
        "counterpart": Counterpart(attribute="time", values=("day", "night")),
    }

    def target(*domains: dict) -> str:
        chosen = variant(**(of_a_method("unet", "cyclegan", 16) | {"method": {"cyclegan": {"domains": list(domains)}}}))
        made = task(chosen)
        asked = Task("v", chosen, made.training, IMAGES, True, "datasets.d", conditions)
        return method_of(asked).build(asked, None, 0, "cpu").translation.target

    assert target({"time": "day"}, {"time": "night"}) == target({"time": "night"}, {"time": "day"}) == "counterpart"
    assert target({"time": "day"}, {"time": "evening"}) == target({"bed": "red"}, {"bed": "blue"}) == ""
    assert target({"time": "day", "bed": "red"}, {"time": "night"}) == ""


def test_a_task_without_a_counterpart_measures_the_way_there_and_back_alone():
    model = built(variant(**of_a_method("unet", "cyclegan", 16)))
    assert {chart.column for chart in model.charts} == {
        f"{split}_{name}" for split in ("training", "validation") for name in ("cycle_error", "critic_loss")
    }
    assert model.grids[0].columns == 2
