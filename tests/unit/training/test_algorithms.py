"""Whole iterations of the training loop against literal transcriptions of the papers' algorithms, in float64.

The transcriptions share networks and drawn numbers with the loop, and nothing else: their losses, penalties, clipping
and optimisers are loops and formulas, with autograd for gradients alone.
"""

import pytest
import torch
from torch import Tensor
from transcriptions import (
    DCGAN,
    ITERATIONS,
    MLP,
    SIZE,
    TABLE_2,
    Adam,
    Pictures,
    assert_equal,
    iterations,
    one_hot,
    run,
    tf1_rmsprop,
    torch_rmsprop,
    wgan_gp_loss,
)

from ganflow.data.order import batch_indices


@pytest.mark.parametrize("objective", ["minimax", "non_saturating"])
@pytest.mark.parametrize("network", [MLP, DCGAN], ids=["mlp", "dcgan"])
def test_gan(monkeypatch, objective, network):
    """GAN, Algorithm 1, k = 2, with batch normalisation (real and generated images apart) and without; Adam."""
    side = 16 if network is DCGAN else 8
    adam = {"adam": {"lr": 1e-3, "betas": [0.5, 0.999]}}
    nets, found, draws = run(monkeypatch, {"network": network, "objective": objective, "optimizer": adam}, side)
    g, d = nets["generator"], nets["critic"]
    of_d, of_g = Adam(0.5, 0.999), Adam(0.5, 0.999)
    for critic_draws, generator_draws in iterations(draws):
        for drawn in critic_draws:
            fake = g(drawn.latent).detach()
            ascended = torch.log(torch.sigmoid(d(drawn.real))).sum() / SIZE
            ascended = ascended + torch.log(1 - torch.sigmoid(d(fake))).sum() / SIZE
            of_d.step(d, -ascended, 1e-3)
        judged = torch.sigmoid(d(g(generator_draws.latent)))
        descended = torch.log(1 - judged).sum() if objective == "minimax" else -torch.log(judged).sum()
        of_g.step(g, descended / SIZE, 1e-3)
    assert_equal(found, nets)


@pytest.mark.parametrize(("a", "b", "c"), [(0.0, 1.0, 1.0), (-1.0, 1.0, 0.0)])
def test_lsgan(monkeypatch, a, b, c):
    """LSGAN, equation 2, with the RMSProp of the WGAN-GP authors' LSGAN runs."""
    variant = {"objective": {"least_squares": {"a": a, "b": b, "c": c}}, "optimizer": {"rmsprop_tf1": {"lr": 1e-3}}}
    nets, found, draws = run(monkeypatch, variant)
    g, d = nets["generator"], nets["critic"]
    of_d, of_g = tf1_rmsprop(), tf1_rmsprop()
    for critic_draws, generator_draws in iterations(draws):
        for drawn in critic_draws:
            fake = g(drawn.latent).detach()
            loss = sum((d(x[None]) - b) ** 2 for x in drawn.real) / (2 * SIZE)
            of_d.step(d, (loss + sum((d(x[None]) - a) ** 2 for x in fake) / (2 * SIZE)).sum(), 1e-3)
        of_g.step(g, sum((d(g(z[None])) - c) ** 2 for z in generator_draws.latent).sum() / (2 * SIZE), 1e-3)
    assert_equal(found, nets)


@pytest.mark.parametrize("when", ["before", "after"])
def test_wgan(monkeypatch, when):
    """WGAN, Algorithm 1 (n_critic = 2), clipping as the paper and as the authors' code have it; torch's RMSProp."""
    constraint = {"weight_clipping": {"limit": 0.3, "when": when}}
    variant = {"objective": "wasserstein", "constraint": constraint, "optimizer": {"rmsprop": {"lr": 5e-3}}}
    nets, found, draws = run(monkeypatch, variant)
    theta, w = nets["generator"], nets["critic"]
    of_w, of_theta = torch_rmsprop(), torch_rmsprop()

    def clip() -> None:
        for parameter in w.parameters():
            limit = torch.full_like(parameter, 0.3)
            parameter.data = torch.maximum(torch.minimum(parameter.data, limit), -limit)

    for critic_draws, generator_draws in iterations(draws):
        for drawn in critic_draws:
            if when == "before":
                clip()
            ascended = sum(w(x[None]) for x in drawn.real) / SIZE
            ascended = ascended - sum(w(theta(z[None]).detach()) for z in drawn.latent) / SIZE
            of_w.step(w, -ascended.sum(), 5e-3)
            if when == "after":
                clip()
        of_theta.step(theta, -sum(w(theta(z[None])) for z in generator_draws.latent).sum() / SIZE, 5e-3)
    assert_equal(found, nets, r"critic\.\d\.bias")  # of a unit active everywhere


@pytest.mark.parametrize("one_sided", [False, True])
def test_wgan_gp(monkeypatch, one_sided):
    """WGAN-GP, Algorithm 1 (n_critic = 2), sample by sample; Adam with beta1 = 0, beta2 = 0.9."""
    variant = {
        "objective": "wasserstein",
        "constraint": {"gradient_penalty": {"one_sided": one_sided}},
        "optimizer": {"adam": {"lr": 1e-3, "betas": [0.0, 0.9]}},
    }
    nets, found, draws = run(monkeypatch, variant)
    g, d = nets["generator"], nets["critic"]
    of_d, of_g = Adam(0, 0.9), Adam(0, 0.9)

    def score(x: Tensor) -> Tensor:
        return d(x[None])[0, 0]

    for critic_draws, generator_draws in iterations(draws):
        for drawn in critic_draws:
            total = 0
            for x, z, epsilon in zip(drawn.real, drawn.latent, drawn.uniform("uniform", (SIZE,)), strict=True):
                total = total + wgan_gp_loss(score, x, g(z[None])[0].detach(), epsilon, one_sided)
            of_d.step(d, total / SIZE, 1e-3)
        of_g.step(g, -sum(score(g(z[None])[0]) for z in generator_draws.latent) / SIZE, 1e-3)
    assert_equal(found, nets)


@pytest.mark.parametrize("generator", ["saturating", "non_saturating"])
@pytest.mark.parametrize("divergence", TABLE_2)
def test_f_gan(monkeypatch, divergence, generator):
    """f-GAN, equation 6 and section 3.2: F = E T - E f*(T), ascended by the critic, descended by the generator."""
    objective = {"f_gan": {"divergence": divergence, "generator": generator}}
    nets, found, draws = run(monkeypatch, {"objective": objective, "optimizer": {"adam": {"lr": 1e-3}}})
    theta, omega = nets["generator"], nets["critic"]
    of_omega, of_theta = Adam(0.5, 0.999), Adam(0.5, 0.999)
    activation, conjugate = TABLE_2[divergence]
    for critic_draws, generator_draws in iterations(draws):
        for drawn in critic_draws:
            bound = sum(activation(omega(x[None])) for x in drawn.real) / SIZE
            fake = theta(drawn.latent).detach()
            bound = bound - sum(conjugate(activation(omega(x[None]))) for x in fake) / SIZE
            of_omega.step(omega, -bound.sum(), 1e-3)
        judged = [activation(omega(theta(z[None]))) for z in generator_draws.latent]
        loss = -sum(conjugate(t) for t in judged) if generator == "saturating" else -sum(judged)
        of_theta.step(theta, loss.sum() / SIZE, 1e-3)
    assert_equal(found, nets)


def test_ac_gan_of_the_wgan_gp_authors_code(monkeypatch):
    """gan_cifar_resnet.py: conditional norm in G, the real images' classes for the critic's fakes, cross-entropies of
    weight 1 and 0.1, a generator's batch twice as large, dequantised images, linear decay to 0."""
    variant = {
        "network": {"resnet": {"width": 3}},
        "objective": "wasserstein",
        "constraint": "gradient_penalty",
        "conditioning": "auxiliary",
        "optimizer": {"adam": {"lr": 1e-3, "betas": [0.0, 0.9], "decay": "linear"}},
    }
    nets, found, draws = run(monkeypatch, variant, 32, generator_batch=2, dequantise=True)
    g, d = nets["generator"], nets["critic"]
    of_d, of_g = Adam(0, 0.9), Adam(0, 0.9)
    pictures, position = Pictures(32), 0

    def score(x: Tensor) -> Tensor:
        return d(x[None])[0, 0]

    def cross_entropy(x: Tensor, label: int) -> Tensor:
        logits = d(x[None])[0, 1:]
        return torch.log(torch.exp(logits).sum()) - logits[label]

    for iteration, (critic_draws, generator_draws) in enumerate(iterations(draws)):
        lr = 1e-3 * max(0, 1 - iteration / ITERATIONS)
        for drawn in critic_draws:
            chosen = batch_indices(pictures.count, 0, position, SIZE)
            position += SIZE
            labels, pixels = chosen % 3, torch.from_numpy(pictures.pixels[chosen]).permute(0, 3, 1, 2).double()
            real = 2 * (pixels / 256 - 0.5) + drawn.uniform("noise", tuple(drawn.real.shape)) / 128
            fake = g(torch.cat([drawn.latent, one_hot(torch.from_numpy(labels), 3)], 1)).detach()
            total = 0
            for x, x_tilde, epsilon, label in zip(real, fake, drawn.uniform("uniform", (SIZE,)), labels, strict=True):
                total = total + wgan_gp_loss(score, x, x_tilde, epsilon) + 1.0 * cross_entropy(x, label)
            of_d.step(d, total / SIZE, lr)
        latent = generator_draws.latent
        labels = generator_draws.integers("classes", (2 * SIZE,), 3)
        assert len(latent) == len(labels) == 2 * SIZE
        fake = g(torch.cat([latent, one_hot(labels, 3)], 1))
        total = sum(-score(x) + 0.1 * cross_entropy(x, label) for x, label in zip(fake, labels, strict=True))
        of_g.step(g, total / (2 * SIZE), lr)
    before_norm = r"generator\.blocks\.\d\.(conv\d|shortcut)\.bias|generator\..*running_mean"
    assert_equal(found, {"generator": g, "critic": d}, rf"{before_norm}|critic\..*score\.bias")


def test_dragan(monkeypatch):
    """DRAGAN, Algorithm 1: minimax's critic with lambda (|grad D(x + delta)| - 1)^2, delta ~ N(0, (c std(x))^2)."""
    variant = {
        "objective": "non_saturating",
        "constraint": {"dragan": {"noise": "normal", "scale": 0.3, "weight": 7.0}},
    }
    nets, found, draws = run(monkeypatch, variant | {"optimizer": {"adam": {"lr": 1e-3}}})
    g, d = nets["generator"], nets["critic"]
    of_d, of_g = Adam(0.5, 0.999), Adam(0.5, 0.999)
    for critic_draws, generator_draws in iterations(draws):
        for drawn in critic_draws:
            x, z, noise = drawn.real, drawn.latent, drawn.normal("perturbation", tuple(drawn.real.shape))
            deviation = ((x - x.mean()) ** 2).sum().div(x.numel() - 1).sqrt()
            loss = 0
            for one, code, delta in zip(x, z, 0.3 * deviation * noise, strict=True):
                perturbed = (one + delta).requires_grad_()
                [gradient] = torch.autograd.grad(d(perturbed[None])[0, 0], perturbed, create_graph=True)
                loss = loss - torch.log(torch.sigmoid(d(one[None])))
                loss = loss - torch.log(1 - torch.sigmoid(d(g(code[None]).detach())))
                loss = loss + 7 * (gradient.norm() - 1) ** 2  # torch's norm has the derivative 0 at 0
            of_d.step(d, loss.sum() / SIZE, 1e-3)
        of_g.step(g, -torch.log(torch.sigmoid(d(g(generator_draws.latent)))).sum() / SIZE, 1e-3)
    assert_equal(found, nets)


@pytest.mark.parametrize(("objective", "constraint"), [("non_saturating", "none"), ("wasserstein", "gradient_penalty")])
def test_two_rates(monkeypatch, objective, constraint):
    """Each player's own optimiser (TTUR): the critic's Adam with its rate and moments, the generator's RMSProp."""
    variant = {
        "objective": objective,
        "constraint": constraint,
        "optimizer": {"rmsprop": {"lr": 1e-3}},
        "optimizers": {"critic": {"adam": {"lr": 4e-3, "betas": [0.0, 0.9]}}},
    }
    nets, found, draws = run(monkeypatch, variant)
    g, d = nets["generator"], nets["critic"]
    of_d, of_g = Adam(0, 0.9), torch_rmsprop()

    def score(x: Tensor) -> Tensor:
        return d(x[None])[0, 0]

    for critic_draws, generator_draws in iterations(draws):
        for drawn in critic_draws:
            loss = 0
            for x, z, epsilon in zip(drawn.real, drawn.latent, drawn.uniform("uniform", (SIZE,)), strict=True):
                fake = g(z[None])[0].detach()
                if objective == "wasserstein":
                    loss = loss + wgan_gp_loss(score, x, fake, epsilon)
                else:
                    loss = loss - torch.log(torch.sigmoid(score(x))) - torch.log(1 - torch.sigmoid(score(fake)))
            of_d.step(d, loss / SIZE, 4e-3)
        scores = torch.stack([score(g(z[None])[0]) for z in generator_draws.latent])
        loss = -scores.mean() if objective == "wasserstein" else -torch.log(torch.sigmoid(scores)).mean()
        of_g.step(g, loss, 1e-3)
    assert_equal(found, nets)
