"""Networks: shapes, parameter counts of the published code, initial values, and one contract for every family."""

import numpy as np
import pytest
import torch
from torch import nn

from ganflow.networks.building import initialise, parameter_count
from ganflow.networks.families.bottleneck import Bottleneck
from ganflow.networks.families.dcgan import DCGAN
from ganflow.networks.families.dcgan5 import DCGAN5
from ganflow.networks.families.mlp import MLP
from ganflow.networks.families.noised_data import NoisedData
from ganflow.networks.families.resnet import ResNet
from ganflow.networks.families.toy_mlp import ToyMLP
from ganflow.networks.layers import ConditionalBatchNorm2d, SameConv2d, SameConvTranspose2d, normalisation

NORMS = (nn.BatchNorm2d, nn.GroupNorm)


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
@pytest.mark.parametrize("family", [Bottleneck, DCGAN, DCGAN5, ResNet])
def test_what_a_family_says_of_its_critics_normalisation_is_so(family, norm):
    network = family(width=4, critic_norm=norm)
    kinds = {type(layer) for layer in network.critic(64).modules()} & set(NORMS)
    assert kinds == {"batch": {nn.BatchNorm2d}, "layer": {nn.GroupNorm}, "none": set()}[norm]
    assert network.critic_mixes_samples() == (norm == "batch")
    assert network.critic_normalises() == (norm != "none")


@pytest.mark.parametrize(
    ("module", "count"),
    [
        (lambda: DCGAN().generator(64, 100), 3_576_704),
        (lambda: DCGAN().critic(64), 2_765_568),
        (lambda: MLP(layers=3, output="linear", init="torch").generator(64, 100), 6_880_768),
        (lambda: MLP().generator(64, 128), 7_157_760),
        (lambda: ToyMLP().generator(2, 2), 527_874),
        (lambda: ToyMLP().critic(2, 2), 527_361),
        (lambda: NoisedData().generator(2, 3), 0),
        (lambda: DCGAN5().generator(32, 128), 5_179_907),
        (lambda: DCGAN5().critic(32), 4_114_689),
        (lambda: DCGAN5().generator(64, 128), 5_364_739),
        (lambda: DCGAN5(critic_norm="layer").critic(64), 4_316_545),
        (lambda: DCGAN5(critic_norm="batch").critic(64), 4_316_545),
        (lambda: DCGAN5(norm="none", filters="constant").generator(64, 128), 444_291),
        (lambda: ResNet().generator(32, 128), 1_204_483),
        (lambda: ResNet().generator(32, 128, classes=10), 1_218_307),
        (lambda: ResNet().critic(32), 1_053_825),
        (lambda: ResNet().critic(32, outputs=11), 1_055_115),
        (lambda: ResNet().generator(64, 128), 8_540_483),
        (lambda: ResNet(critic_norm="layer").critic(64), 7_491_841),
        (lambda: Bottleneck().generator(64, 128), 9_189_587),
        (lambda: Bottleneck().critic(64), 7_618_801),
    ],
)
def test_parameter_counts_of_the_authors_code(module, count):
    assert parameter_count(module()) == count


def same_convolution(image: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """One channel, stride 2, by TensorFlow's definition of SAME: ceil(n / 2) outputs, the odd zero behind."""
    size, kernel = len(image), len(weight)
    outputs = -(-size // 2)
    padding = max((outputs - 1) * 2 + kernel - size, 0)
    padded = np.pad(image, (padding // 2, padding - padding // 2))
    return np.array(
        [
            [(padded[2 * i : 2 * i + kernel, 2 * j : 2 * j + kernel] * weight).sum() for j in range(outputs)]
            for i in range(outputs)
        ]
    )


@pytest.mark.parametrize("kernel", [3, 5])
def test_strided_convolutions_pad_as_tensorflow_does_and_transpose_each_other(kernel):
    draw = np.random.default_rng(0)
    image, weight = draw.standard_normal((8, 8)), draw.standard_normal((kernel, kernel))
    down, up = SameConv2d(1, 1, kernel, 2, bias=False), SameConvTranspose2d(1, 1, kernel, 2, bias=False)
    for layer in (down.double(), up.double()):
        layer.weight.data[0, 0] = torch.from_numpy(weight)
    with torch.no_grad():
        small = down(torch.from_numpy(image)[None, None])
        assert np.allclose(small[0, 0], same_convolution(image, weight), atol=1e-12)
        other = torch.from_numpy(draw.standard_normal((1, 1, 4, 4)))
        assert (small * other).sum().item() == pytest.approx((up(other)[0, 0].numpy() * image).sum(), rel=1e-12)


def test_layer_norm_is_over_a_whole_image_with_gain_and_bias_a_channel():
    [norm] = normalisation("layer", 3)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0, 3.0]))
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    mean, variance = x.mean((1, 2, 3), keepdim=True), x.var((1, 2, 3), keepdim=True, unbiased=False)
    expected = (x - mean) / (variance + 1e-5).sqrt() * torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1)
    assert torch.allclose(norm.double()(x), expected, rtol=1e-12, atol=1e-12)


def test_a_class_has_its_own_gain_and_bias():
    norm = ConditionalBatchNorm2d(3, 2).double()
    with torch.no_grad():
        norm.gain[1], norm.bias[1] = 3.0, -1.0
    x = torch.randn(4, 3, 5, 5, dtype=torch.float64)
    plain = nn.BatchNorm2d(3, affine=False).double()(x)
    found = norm(x, torch.eye(2, dtype=torch.float64)[[0, 1, 1, 0]])
    assert torch.allclose(found[[0, 3]], plain[[0, 3]], atol=1e-12)
    assert torch.allclose(found[1:3], 3 * plain[1:3] - 1, atol=1e-12)


def test_initial_deviations_of_the_wgan_gp_authors_code():
    network = ResNet(width=64)
    generator = initialise(network, network.generator(32, 64), 0, "generator")
    block, last = generator.blocks[0], generator.last[-2]
    for layer, squared in (
        (block.conv1, 4 / (64 * 9 + 64 * 9)),  # He's in their code: 4 / (fan-in + fan-out)
        (block.shortcut, 2 / (64 + 64)),
        (last, 2 / (64 * 9 + 3 * 9)),
        (generator.linear, 2 / (64 + 1024)),
    ):
        assert layer.weight.std().item() == pytest.approx(squared**0.5, rel=0.05)
        assert layer.weight.abs().max().item() <= (3 * squared) ** 0.5
        assert layer.bias.abs().max() == 0
    fives = DCGAN5(width=16)
    up = initialise(fives, fives.generator(64, 8), 0, "generator")
    layer = next(part for part in up if isinstance(part, nn.ConvTranspose2d))
    expected = (4 / (layer.in_channels * 25 / 4 + layer.out_channels * 25)) ** 0.5
    assert layer.weight.std().item() == pytest.approx(expected, rel=0.05)


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


@pytest.mark.parametrize("classes", [0, 10])
def test_towers_normalise_the_halves_of_a_training_batch_apart(classes):
    """As gan_cifar_resnet.py: 64 fakes are made by two calls of the generator with 32 each."""
    plain, towers = (ResNet(width=4, towers=count).generator(32, 8, classes) for count in (1, 2))
    towers.load_state_dict(plain.state_dict())
    codes = torch.randn(64, 8 + classes)
    if classes:
        codes[:, 8:] = torch.eye(10)[torch.arange(64) % 10]
    apart = torch.cat([plain.train()(half) for half in codes.split(32)])
    assert torch.equal(towers.train()(codes), apart)
    assert (plain(codes) - apart).abs().max() > 0.01
    whole, halves = towers.eval()(codes), torch.cat([towers(half) for half in codes.split(32)])
    assert torch.allclose(whole, halves, atol=1e-6)
    assert parameter_count(towers) == parameter_count(plain)
