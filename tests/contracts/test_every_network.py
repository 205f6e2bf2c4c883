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

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)
LATENT = 7


def smallest(name: str) -> Network:
    """The family with every setting that has a default of some hundreds as small as it may be."""
    found = component_class(Network, name, "where")
    return found(width=4) if "width" in found.model_fields else found()


def resolutions_of(network: Network) -> tuple[int, ...]:
    """Sizes that a family supports, but the smallest alone of one without a critic, which samples value by value."""
    return network.resolutions[: None if has_critic(network) else 1] or (1, 2, 5)


def latent_of(network: Network, size: int) -> int:
    return network.latent(size) or LATENT


def has_critic(network: Network) -> bool:
    """Whether a family has one; densities have none."""
    return not isinstance(network, AutoregressiveNetwork)


def inputs(network: Network, size: int, channels: int) -> torch.Tensor:
    return torch.randn(3, channels, size, size) if network.resolutions else torch.randn(3, channels)


@pytest.mark.parametrize("name", names(Network))
def test_every_family_keeps_the_contract(name):
    network = smallest(name)
    for size, classes in product(resolutions_of(network), (0, 2)):
        shape, latent = (3, size, size) if network.resolutions else (size,), latent_of(network, size)
        generator = network.generator(size, latent, classes)
        initialise(network, generator, 0, "generator")
        with torch.no_grad():
            samples = generator(codes(torch.randn(3, latent), torch.tensor([0, 1, 1]), classes))
        assert samples.shape == (3, *shape)
        assert not network.resolutions or samples.abs().max() <= 1
        assert network.fixed_generator == (parameter_count(generator) == 0)
        if not has_critic(network):
            continue
        critic = network.critic(size, shape[0] + classes, 1 + classes)
        initialise(network, critic, 0, "critic")
        planes = inputs(network, size, shape[0] + classes)
        assert critic(planes).shape == (3, 1 + classes)
        if not network.critic_mixes_samples():
            assert torch.allclose(critic(planes)[:1], critic(planes[:1]), atol=1e-5)
    critic = network.critic(size, shape[0]) if has_critic(network) else nn.Module()
    normalised = [layer for layer in critic.modules() if isinstance(layer, NORMS)]
    assert network.critic_normalises() == bool(normalised)
    mixing = (nn.BatchNorm1d, nn.BatchNorm2d)
    assert network.critic_mixes_samples() == any(isinstance(layer, mixing) for layer in normalised)


@pytest.mark.parametrize(
    ("name", "part"),
    [(name, "generator") for name in names(Network)]
    + [(name, "critic") for name in names(Network) if has_critic(smallest(name))],
)
def test_gradients_are_finite_and_initial_values_depend_on_seed_and_name_alone(name, part):
    network = smallest(name)
    size = network.resolutions[0] if network.resolutions else 2
    own, latent = 3 if network.resolutions else size, latent_of(network, size)
    other = {"latent": latent, "classes": 0} if part == "generator" else {"channels": own, "outputs": 1}
    plan = Blueprint(None, part, {"resolution": size} | other)
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
        given = torch.randn(3, latent) if part == "generator" else inputs(network, size, own)
        made[0](given).square().sum().backward()
    else:  # its samples are whole numbers
        made[0].log_likelihood(inputs(network, size, own).tanh(), torch.zeros(3, 0)).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in made[0].parameters())
    assert any(p.grad.any() for p in made[0].parameters())


@pytest.mark.parametrize("name", names(Network))
def test_a_family_says_which_samples_it_is_for(name):
    network = smallest(name)
    assert all(8 <= side <= 1024 for side in network.resolutions)
    assert tuple(sorted(set(network.resolutions))) == tuple(network.resolutions)
