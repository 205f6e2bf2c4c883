"""Networks that translate images: sizes of the authors' code, equations of their layers, and noise by dropout."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import instance_norm, pad

from ganflow.networks.building import initialise
from ganflow.networks.families.resnet_translator import ResNetTranslator
from ganflow.networks.families.unet import UNet
from ganflow.networks.translation import Reflected


def counts(module: nn.Module) -> tuple[int, int, int]:
    """Numbers of weights of convolutions, of their biases, and of gains of norms."""
    layers = list(module.modules())
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    norms = [layer for layer in layers if isinstance(layer, nn.GroupNorm)]
    return (
        sum(layer.weight.numel() for layer in convolutions),
        sum(layer.bias.numel() for layer in convolutions),
        sum(layer.weight.numel() for layer in norms),
    )


def test_counts_are_those_of_the_authors_code():
    """pytorch-CycleGAN-and-pix2pix prints 54.414 M and 2.769 M for pix2pix at 256 pixels, whose batch norms have gains
    and biases while its convolutions beside them have none, and 11.378 M and 2.765 M for CycleGAN, whose instance norms
    have neither."""
    weights, _, gains = counts(UNet().translator(256))
    assert round((weights + 2 * gains + 3) / 1e6, 3) == 54.414
    weights, biases, gains = counts(UNet().critic(256, 6))
    assert round((weights + 2 * gains + 64 + 1) / 1e6, 3) == 2.769
    weights, biases, _ = counts(ResNetTranslator(blocks=9).translator(256))
    assert round((weights + biases) / 1e6, 3) == 11.378
    weights, biases, _ = counts(ResNetTranslator().critic(256))
    assert round((weights + biases) / 1e6, 3) == 2.765


@pytest.mark.parametrize(("layers", "side"), [(0, 1), (1, 16), (2, 34), (3, 70)])
def test_a_score_sees_a_patch_of_the_papers_size(layers, side):
    """pix2pix, section 4.4: patches of 1, 16 and 70 pixels; 34 between."""
    critic = UNet(width=2, patch_layers=layers).critic(128)
    for layer in critic.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.ones_(layer.weight)
    linear = nn.Sequential(*[layer for layer in critic if isinstance(layer, nn.Conv2d)])
    image = torch.zeros(1, 3, 128, 128, requires_grad=True)
    scores = linear(image)
    middle = scores.shape[-1] // 2
    scores[0, 0, middle, middle].backward()
    seen = image.grad[0, 0].nonzero()
    assert (seen.amax(0) - seen.amin(0) + 1).tolist() == [side, side]
    assert critic(image).shape == (1, scores[0].numel())


def test_reflected_pads_as_torch_does():
    images = torch.randn(2, 3, 7, 9, dtype=torch.float64, requires_grad=True)
    for size in (1, 3):
        expected = pad(images, (size,) * 4, mode="reflect")
        assert torch.equal(Reflected(size)(images), expected)
        weights = torch.randn_like(expected)
        [one] = torch.autograd.grad((Reflected(size)(images) * weights).sum(), images)
        [other] = torch.autograd.grad((pad(images, (size,) * 4, mode="reflect") * weights).sum(), images)
        assert torch.allclose(one, other, atol=1e-12)


@pytest.mark.parametrize("skips", [True, False])
def test_the_unet_is_its_equations(skips):
    """d_k = norm(conv(leaky(d_k-1))), u_k = dropout(norm(deconv(relu([u_k-1, d_k])))), without a norm at the image and
    at one pixel."""
    family = UNet(width=2, skips=skips)
    net = initialise(family, family.translator(16, 1), 0, "g").double()
    latent, image = torch.randn(2, family.latent(16)).double(), torch.randn(2, 1, 16, 16).double()
    convolutions = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    transposed = [layer for layer in net.modules() if isinstance(layer, nn.ConvTranspose2d)]
    norms = iter([layer for layer in net.modules() if isinstance(layer, nn.GroupNorm)])
    down = []
    x = image
    for k, layer in enumerate(convolutions):
        x = layer(x if k == 0 else torch.where(x > 0, x, 0.2 * x))
        if 0 < k < len(convolutions) - 1:
            norm = next(norms)
            x = instance_norm(x) * norm.weight[:, None, None] + norm.bias[:, None, None]
        down.append(x)
    numbers = latent
    for k, layer in enumerate(transposed):
        if k and skips:
            x = torch.cat([x, down[len(down) - 1 - k]], dim=1)
        x = layer(torch.relu(x))
        if k < len(transposed) - 1:
            norm = next(norms)
            x = instance_norm(x) * norm.weight[:, None, None] + norm.bias[:, None, None]
        if k < min(3, len(transposed) - 2):
            size = math.prod(x.shape[1:])
            x = torch.where(numbers[:, :size].reshape(x.shape) > 0, 2 * x, 0 * x)
            numbers = numbers[:, size:]
    assert numbers.shape[1] == 0
    assert torch.allclose(net(latent, image), torch.tanh(x), atol=1e-12)


def test_dropout_is_the_only_noise():
    image, family = torch.randn(1, 3, 32, 32), UNet(width=4)
    net = initialise(family, family.translator(32), 0, "g")
    one, other = (net(torch.randn(1, family.latent(32)), image) for _ in range(2))
    assert not torch.equal(one, other)
    still = UNet(width=4, dropout=False)
    assert still.latent(32) == 0 == ResNetTranslator().latent(32)
    assert initialise(still, still.translator(32), 0, "g")(torch.zeros(1, 0), image).shape == image.shape


@pytest.mark.parametrize("family", [UNet(width=2), ResNetTranslator(width=2, blocks=1)])
def test_a_translator_is_no_generator_of_latent_vectors(family):
    with pytest.raises(TypeError, match="makes images from images"):
        family.generator(16, 5)
