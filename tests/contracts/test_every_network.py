"""Every network family: shapes, finite gradients, initial values, and what it says of normalisation."""

from itertools import product

import pytest
import torch
from torch import nn

from ganflow.components import component_class, names
from ganflow.networks.autoregressive import AutoregressiveNetwork
from ganflow.networks.building import Blueprint, initialise, parameter_count
from ganflow.networks.codes import codes
from ganflow.networks.interfaces import Network
from ganflow.networks.translation import TranslationNetwork

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)
LATENT = 7


def smallest(name: str) -> Network:
    """The family with every setting that has a default of some hundreds as small as it may be."""
    found = component_class(Network, name, "where")
    return found(width=4) if "width" in found.model_fields else found()


def resolutions_of(network: Network) -> tuple[int, ...]:
    """Sizes that a family supports, but the smallest alone of one that samples value by value, or that translates."""
    every = None if has_critic(network) and not translates(network) else 1
    return network.resolutions[:every] or (1, 2, 5)


def latent_of(network: Network, size: int) -> int:
    return network.latent(size) or LATENT


def has_critic(network: Network) -> bool:
    """Whether a family has one; densities have none."""
    return not isinstance(network, AutoregressiveNetwork)


def translates(network: Network) -> bool:
    """Whether it makes images from images."""
    return isinstance(network, TranslationNetwork)


def maker(network: Network) -> str:
    """The part that makes samples."""
    return "translator" if translates(network) else "generator"


def arguments(network: Network, part: str, size: int) -> dict:
    """Of a part for samples without classes."""
    own = 3 if network.resolutions else size
    other = {
        "generator": {"latent": latent_of(network, size), "classes": 0},
        "critic": {"channels": own, "outputs": 1},
        "translator": {"channels": 1},
    }
    return {"resolution": size} | other[part]


def given(network: Network, part: str, size: int) -> tuple[torch.Tensor, ...]:
    """Three inputs of a part."""
    if part == "translator":
        return torch.randn(3, network.latent(size)), torch.randn(3, 1, size, size)
    if part == "generator":
        return (torch.randn(3, latent_of(network, size)),)
    return (inputs(network, size, 3 if network.resolutions else size),)


def inputs(network: Network, size: int, channels: int) -> torch.Tensor:
    return torch.randn(3, channels, size, size) if network.resolutions else torch.randn(3, channels)


@pytest.mark.parametrize("name", names(Network))
def test_every_family_keeps_the_contract(name):
    network = smallest(name)
    for size, classes in product(resolutions_of(network), (0, 2)):
        shape, latent = (3, size, size) if network.resolutions else (size,), latent_of(network, size)
        if translates(network):
            generator, taken = network.translator(size, 1), given(network, "translator", size)
        else:
            generator = network.generator(size, latent, classes)
            taken = (codes(torch.randn(3, latent), torch.tensor([0, 1, 1]), classes),)
        initialise(network, generator, 0, "generator")
        with torch.no_grad():
            samples = generator(*taken)
        assert samples.shape == (3, *shape)
        assert not network.resolutions or samples.abs().max() <= 1
        assert network.fixed_generator == (parameter_count(generator) == 0)
        if not has_critic(network):
            continue
        outputs = 1 if translates(network) else 1 + classes
        critic = network.critic(size, shape[0] + classes, outputs)
        initialise(network, critic, 0, "critic")
        planes = inputs(network, size, shape[0] + classes)
        scores = critic(planes)
        assert scores.shape == (3, scores.shape[1] if translates(network) else outputs)
        if not network.critic_mixes_samples():
            assert torch.allclose(critic(planes)[:1], critic(planes[:1]), atol=1e-5)
    critic = network.critic(size, shape[0]) if has_critic(network) else nn.Module()
    normalised = [layer for layer in critic.modules() if isinstance(layer, NORMS)]
    assert network.critic_normalises() == bool(normalised)
    mixing = (nn.BatchNorm1d, nn.BatchNorm2d)
    assert network.critic_mixes_samples() == any(isinstance(layer, mixing) for layer in normalised)


@pytest.mark.parametrize(
    ("name", "part"),
    [(name, maker(smallest(name))) for name in names(Network)]
    + [(name, "critic") for name in names(Network) if has_critic(smallest(name))],
)
def test_gradients_are_finite_and_initial_values_depend_on_seed_and_name_alone(name, part):
    network = smallest(name)
    size = network.resolutions[0] if network.resolutions else 2
    plan = Blueprint(None, part, arguments(network, part, size))
    made = [
        initialise(network, plan.module(network), seed, purpose) for seed, purpose in ((0, "a"), (0, "a"), (1, "a"))
    ]
    values = [torch.cat([p.detach().flatten() for p in module.parameters()] or [torch.zeros(0)]) for module in made]
    assert torch.equal(values[0], values[1]) and values[0].isfinite().all()
    if not len(values[0]):
        assert network.fixed_generator and part == "generator"
        return
    assert not torch.equal(values[0], values[2])
    if has_critic(network):
        made[0](*given(network, part, size)).square().sum().backward()
    else:  # its samples are whole numbers
        made[0].log_likelihood(inputs(network, size, 3).tanh(), torch.zeros(3, 0)).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in made[0].parameters())
    assert any(p.grad.any() for p in made[0].parameters())


@pytest.mark.parametrize("name", names(Network))
def test_a_family_says_which_samples_it_is_for(name):
    network = smallest(name)
    assert all(8 <= side <= 1024 for side in network.resolutions)
    assert tuple(sorted(set(network.resolutions))) == tuple(network.resolutions)
