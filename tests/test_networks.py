"""Networks: shapes, parameter counts of the published code, initial values, and one contract for every family."""

import pytest
import torch
from torch import nn

from ganflow.components import component_class, names
from ganflow.networks import families
from ganflow.networks.families.dcgan import DCGAN
from ganflow.networks.interfaces import Network, initialise, parameter_count


@pytest.mark.parametrize("name", names(families))
def test_every_family_keeps_the_contract(name):
    found = component_class(families, Network, name, "where")
    assert found.__doc__
    for key, field in found.model_fields.items():
        assert field.description, f"{name}.{key} is not described"
    network = found(width=4) if "width" in found.model_fields else found()
    for resolution in network.resolutions:
        generator, critic = network.generator(resolution, 7), network.critic(resolution)
        images = generator(torch.randn(3, 7))
        assert images.shape == (3, 3, resolution, resolution)
        assert images.abs().max() <= 1
        assert critic(images).shape == (3,)
        if not network.critic_mixes_samples():
            assert torch.allclose(critic(images)[:1], critic(images[:1]), atol=1e-5)


def test_parameter_counts_of_the_wgan_authors_code():
    network = DCGAN(width=64, norm="batch")
    assert parameter_count(network.generator(64, 100)) == 3_576_704
    assert parameter_count(network.critic(64)) == 2_765_568


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_normalisation_everywhere_or_nowhere(norm):
    network = DCGAN(width=4, norm=norm)
    for module in (network.generator(32, 8), network.critic(32)):
        layers = [type(layer) for layer in module]
        assert (nn.BatchNorm2d in layers) == (norm == "batch")
        convolutions = [layer for layer in module if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
        assert all((layer.bias is None) == (norm == "batch") for layer in convolutions)
    assert network.critic_mixes_samples() == (norm == "batch")
    assert not DCGAN(norm="batch", critic_norm="none").critic_mixes_samples()


def test_initial_values_are_those_of_dcgan_and_depend_on_seed_and_name_alone():
    network = DCGAN(width=32)
    module = initialise(network, network.critic(64), 0, "critic")
    again = initialise(network, network.critic(64), 0, "critic")
    other = initialise(network, network.critic(64), 1, "critic")
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), again.parameters(), strict=True))
    assert not torch.equal(next(module.parameters()), next(other.parameters()))
    for layer in module:
        if isinstance(layer, nn.Conv2d) and layer.out_channels > 1:
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.weight.mean().item() == pytest.approx(1, abs=0.02)
            assert layer.bias.abs().max() == 0


def test_hes_deviation_keeps_the_scale_of_activations():
    network = DCGAN(width=16, norm="none", weight_std=None)
    generator = initialise(network, network.generator(64, 64), 0, "generator")[:-1]  # before tanh
    critic = initialise(network, network.critic(64), 0, "critic")
    with torch.no_grad():
        images = generator(torch.randn(64, 64))
        assert 0.3 < images.std() < 3
        assert 0.1 < critic(torch.randn(64, 3, 64, 64)).std() < 10
