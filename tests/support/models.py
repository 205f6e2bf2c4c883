"""Models out of a variant as params.yaml has it, and the seeded draws of a step: what tests of methods share."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from ganflow.components import component_class, names
from ganflow.config import Training, Variant
from ganflow.data.conditions.edges import Edges
from ganflow.methods.draws import SAMPLES, Batch, Draws
from ganflow.methods.interfaces import Data, Method, Model, Task
from ganflow.methods.tasks import method_of
from ganflow.networks.interfaces import Network
from ganflow.networks.translation import TranslationNetwork

IMAGES = (16, 16, 3)
LATENT = 5
SMALL = {"width": 2, "layers": 1, "blocks": 1}
CONDITIONS = {"edges": Edges()}


def variant(**changes) -> Variant:
    """A small DCGAN, non-saturating, with Adam, but for `changes`."""
    chosen = {"network": {"dcgan": {"width": 4}}, "optimizer": "adam"}
    if "method" not in changes:
        chosen["objective"] = "non_saturating"
    return Variant.model_validate(chosen | changes)


def of_a_method(kind: str, method: str, side: int) -> dict:
    """What a variant has so that a method trains a network family (`kind`) of images with so many pixels a side."""
    family = component_class(Network, kind, "where")
    small = {name: size for name, size in SMALL.items() if name in family.model_fields}
    fields = component_class(Method, method, "where").model_fields
    needed = {name: field.examples[0] for name, field in fields.items() if field.is_required()}
    training = {} if issubclass(family, TranslationNetwork) else {"latent": family(**small).latent(side)}
    return {"network": {kind: small}, "method": {method: needed}, "training": training}


def methods_of(family: type[Network]) -> list[str]:
    """The methods that train a network family which others do not train."""
    kinds = {name: component_class(Method, name, "where").family for name in names(Method)}
    return [name for name, kind in kinds.items() if kind is not Network and issubclass(family, kind)]


def networks_of(method: str) -> list[str]:
    """The network families that this method trains and others do not, the smallest first."""
    families = {name: component_class(Network, name, "where") for name in names(Network)}
    return [name for name, family in families.items() if family.specialised and method in methods_of(family)]


def task(chosen: Variant, shape: tuple[int, ...] = IMAGES, labelled: bool = True, **training) -> Task:
    """The task of a variant that is called `v` on `datasets.d`."""
    small = {"iterations": 1, "latent": LATENT, "batch_size": 4}
    settings = Training.model_validate(small | chosen.training | training)
    return Task("v", chosen, settings, shape, labelled, "datasets.d", CONDITIONS if len(shape) == 3 else {})


def built(chosen: Variant, shape: tuple[int, ...] = IMAGES, classes: int = 3, device: str = "cpu", **training) -> Model:
    """The model of a variant with seed 0; raises UserError for what makes no sense."""
    asked = task(chosen, shape, classes > 0, **training)
    return method_of(asked).build(asked, Data(classes, lambda count: stored(count, shape)), 0, device)


def stored(count: int, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Random samples as shards hold them: images, uint8 (n, H, W, 3), or points, float32 (n, d)."""
    draw = np.random.default_rng(seed)
    if len(shape) == 1:
        return draw.standard_normal((count, *shape), dtype=np.float32)
    return draw.integers(0, 256, (count, *shape), dtype=np.uint8)


def step_draws(
    seed: int = 0,
    size: int = 4,
    shape: tuple[int, ...] = IMAGES,
    purpose: str = "step",
    device: str = "cpu",
    roles: Iterable[str] = (SAMPLES,),
) -> Draws:
    """The draws of one step with a batch of random samples of three classes for each role, all a function of the seed;
    every condition is the first channel."""
    draw, batches = np.random.default_rng(seed), {}
    for role in roles:
        real = torch.from_numpy(
            draw.uniform(-1, 1, (size, *(shape[-1:] + shape[:-1] if len(shape) == 3 else shape))).astype(np.float32)
        )
        given = real.to(device, non_blocking=True)
        batches[role] = Batch(
            given, lambda: torch.arange(size, device=device) % 3, lambda name, given=given: given[:, :1]
        )
    return Draws(seed, device, purpose, (0, 0), size, batches)


def one_iteration(model: Model, shape: tuple[int, ...] = IMAGES, size: int = 4) -> None:
    """The steps of the players in their order, then what is measured on held-out data; all values are finite, and
    nearly every parameter that a player trains has moved."""
    before = {key: [p.detach().clone() for p in module.parameters()] for key, module in model.modules.items()}
    for number, player in enumerate(model.players):
        for key, module in model.modules.items():
            module.train().requires_grad_(key in player.trains)
        player.before()
        trained = [parameter for key in player.trains for parameter in model.modules[key].parameters()]
        optimizer = player.optimizer.build(trained, player.name)
        loss, values = player.loss(step_draws(number, size, shape, player.name, roles=model.roles))
        loss.backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in trained)
        optimizer.step()
        player.after()
        assert torch.isfinite(torch.stack([loss.detach(), *values.values()])).all()
    for key in {key for player in model.players for key in player.trains}:
        moved = [not torch.equal(p, old) for p, old in zip(model.modules[key].parameters(), before[key], strict=True)]
        assert sum(moved) >= 0.8 * len(moved)  # a bias before a normalisation, or of a difference of means, stays
    for module in model.modules.values():
        module.eval()
    with torch.no_grad():
        found = model.monitor([step_draws(99, size, shape, "validation", roles=model.roles)])
    assert model.held_out_loss in found and np.isfinite(list(found.values())).all()


def linear_critic(weight: torch.Tensor) -> nn.Module:
    """Scores of images by one float64 weight a pixel: their gradient is the weight, everywhere."""
    critic = nn.Sequential(nn.Flatten(), nn.Linear(weight.numel(), 1, bias=False), nn.Flatten(0)).double()
    critic[1].weight.data = weight.reshape(1, -1).clone()
    return critic
