"""Methods with encoders and further players against literal transcriptions of their papers' algorithms, in float64; the
others: test_algorithms.py."""

import math

import pytest
import torch
from torch import Tensor
from transcriptions import (
    LATENT,
    SIZE,
    Adam,
    DoubleDraws,
    assert_equal,
    bce,
    one_hot,
    trained,
)


def test_vae(monkeypatch):
    """Kingma and Welling, equation 10 with one sample, term by term and sample by sample, beta-VAE's weight; Adam."""
    beta, deviation = 2.5, 0.7
    variant = {"method": {"vae": {"beta": beta, "deviation": deviation}}, "optimizer": {"adam": {"lr": 1e-3}}}
    nets, work, draws = trained(monkeypatch, variant)
    q, p = nets["encoder"], nets["generator"]
    of_both = Adam(0.5, 0.999)
    for drawn in draws:
        bound = 0
        for x, epsilon in zip(drawn.real, drawn.normal("posterior", (SIZE, LATENT)), strict=True):
            code = q(x[None])[0]
            mu, sigma = code[:LATENT], torch.exp(code[LATENT:]) ** 0.5
            decoded = p((mu + sigma * epsilon)[None])[0]
            log_likelihood = sum(
                -((a - b) ** 2) / (2 * deviation**2) - math.log(deviation * math.sqrt(2 * math.pi))
                for a, b in zip(x.flatten(), decoded.flatten(), strict=True)
            )
            minus_divergence = 0.5 * sum(1 + torch.log(s**2) - m**2 - s**2 for m, s in zip(mu, sigma, strict=True))
            bound = bound + beta * minus_divergence + log_likelihood
        of_both.step(torch.nn.ModuleList([q, p]), -bound / SIZE, 1e-3)
    assert_equal(work.model.modules, nets)


def test_began(monkeypatch):
    """BEGAN, section 3.4: L_D = L(x) - k_t L(G(z_D)), L_G = L(G(z_G)), k_t+1 = k_t + lambda (gamma L(x) - L(G(z_G)));
    L(v) = |v - D(v)|, the mean over a sample's numbers and the batch; Adam."""
    gamma, rate = 0.9, 0.3
    method = {"began": {"gamma": gamma, "rate": rate, "code": 3}}
    nets, work, draws = trained(monkeypatch, {"method": method, "optimizer": {"adam": {"lr": 1e-3}}})
    g, encoder, decoder = nets["generator"], nets["encoder"], nets["decoder"]
    of_d, of_g, k, ks = Adam(0.5, 0.999), Adam(0.5, 0.999), 0.0, []

    def reconstruction_error(v: Tensor) -> Tensor:
        return sum(torch.abs(one - decoder(encoder(one[None]))[0]).mean() for one in v) / len(v)

    for critic_draws, generator_draws in zip(draws[::2], draws[1::2], strict=True):
        real_loss = reconstruction_error(critic_draws.real)
        loss = real_loss - k * reconstruction_error(g(critic_draws.latent).detach())
        of_d.step(torch.nn.ModuleList([encoder, decoder]), loss, 1e-3)
        fake_loss = reconstruction_error(g(generator_draws.latent))
        of_g.step(g, fake_loss, 1e-3)
        k = min(max(k + rate * (gamma * real_loss.item() - fake_loss.item()), 0), 1)
        ks.append(k)
    assert_equal(work.model.modules, nets)
    assert work.model.state["k"].item() == pytest.approx(k, abs=1e-12) and ks[-1] > ks[0] > 0


def test_ebgan_with_the_pulling_away_term(monkeypatch):
    """EBGAN, equations 1 to 5: L_D = D(x) + [m - D(G(z))]+, L_G = D(G(z)) + w f_PT(Enc(G(z))), D(v) the Euclidean norm
    of Dec(Enc(v)) - v; means over the batch; Adam."""
    margin, weight = 3.5, 0.7
    method = {"ebgan": {"margin": margin, "pulling_away": weight, "code": 3}}
    nets, work, draws = trained(monkeypatch, {"method": method, "optimizer": {"adam": {"lr": 1e-3}}})
    g, encoder, decoder = nets["generator"], nets["encoder"], nets["decoder"]
    of_d, of_g, hinges = Adam(0.5, 0.999), Adam(0.5, 0.999), []

    def energy(v: Tensor) -> Tensor:
        return torch.linalg.vector_norm(decoder(encoder(v[None]))[0] - v)

    for critic_draws, generator_draws in zip(draws[::2], draws[1::2], strict=True):
        fake = g(critic_draws.latent).detach()
        hinges += [max(0.0, margin - energy(one).item()) for one in fake]
        loss = sum(energy(one) for one in critic_draws.real) / SIZE
        loss = loss + sum(torch.relu(margin - energy(one)) for one in fake) / SIZE
        of_d.step(torch.nn.ModuleList([encoder, decoder]), loss, 1e-3)
        fake = g(generator_draws.latent)
        codes, pairs = encoder(fake), 0.0
        for i in range(SIZE):
            for j in range(SIZE):
                if i != j:
                    pairs = pairs + torch.cosine_similarity(codes[i], codes[j], dim=0) ** 2
        of_g.step(g, sum(energy(one) for one in fake) / SIZE + weight * pairs / (SIZE * (SIZE - 1)), 1e-3)
    assert_equal(work.model.modules, nets)
    assert 0 in hinges and max(hinges) > 0  # both sides of the margin


def test_mrgan(monkeypatch):
    """MRGAN, section 3.1: D as in a GAN; G and E minimise -E log D(G(z)) + lambda_1 E d(x, G(E(x)))
    - lambda_2 E log D(G(E(x))), d the mean squared difference; one Adam."""
    method = {"mrgan": {"distance": 0.3, "modes": 0.6}}
    nets, work, draws = trained(monkeypatch, {"method": method, "optimizer": {"adam": {"lr": 1e-3}}})
    g, e, d = nets["generator"], nets["encoder"], nets["critic"]
    of_d, of_g = Adam(0.5, 0.999), Adam(0.5, 0.999)
    for critic_draws, generator_draws in zip(draws[::2], draws[1::2], strict=True):
        loss = bce(d(critic_draws.real), 1) + bce(d(g(critic_draws.latent).detach()), 0)
        of_d.step(d, loss, 1e-3)
        real = generator_draws.real
        made = g(e(real))
        loss = bce(d(g(generator_draws.latent)), 1) + 0.3 * ((real - made) ** 2).mean() + 0.6 * bce(d(made), 1)
        of_g.step(torch.nn.ModuleList([e, g]), loss, 1e-3)
    assert_equal(work.model.modules, nets)


def test_mdgan(monkeypatch):
    """MDGAN, Algorithm 1: manifold step with D1, then diffusion step with D2, an Adam for each update."""
    method = {"mdgan": {"distance": 0.3, "modes": 0.6}}
    nets, work, draws = trained(monkeypatch, {"method": method, "optimizer": {"adam": {"lr": 1e-3}}})
    g, e, d1, d2 = (nets[name] for name in ("generator", "encoder", "manifold_critic", "critic"))
    adams = [Adam(0.5, 0.999) for _ in range(4)]
    for of_d1, of_manifold, of_d2, of_g in zip(*(draws[place::4] for place in range(4)), strict=True):
        loss = bce(d1(of_d1.real), 1) + bce(d1(g(e(of_d1.real)).detach()), 0)
        adams[0].step(d1, loss, 1e-3)
        made = g(e(of_manifold.real))
        loss = 0.3 * ((of_manifold.real - made) ** 2).mean() + 0.6 * bce(d1(made), 1)
        adams[1].step(torch.nn.ModuleList([e, g]), loss, 1e-3)
        loss = bce(d2(g(e(of_d2.real)).detach()), 1) + bce(d2(g(of_d2.latent).detach()), 0)
        adams[2].step(d2, loss, 1e-3)
        adams[3].step(g, bce(d2(g(of_g.latent)), 1), 1e-3)
    assert_equal(work.model.modules, nets)


def test_infogan(monkeypatch):
    """InfoGAN, equations 5 and 6: V(D, G) - lambda L_I for D with Q, -log D(G) - lambda L_I for G; the non-saturating
    game; Q(c|x) a softmax and normal distributions; Adam."""
    method = {"infogan": {"categories": 3, "continuous": 2, "weight": 0.7, "continuous_weight": 0.2}}
    nets, work, draws = trained(monkeypatch, {"method": method, "optimizer": {"adam": {"lr": 1e-3}}})
    g, d = nets["generator"], nets["critic"]
    of_d, of_g = Adam(0.5, 0.999), Adam(0.5, 0.999)

    def made(drawn: DoubleDraws) -> tuple[Tensor, Tensor, Tensor]:
        labels = drawn.integers("classes", (SIZE,), 3)
        return g(torch.cat([drawn.latent, one_hot(labels, 3)], 1)), drawn.latent, labels

    def informed(outputs: Tensor, latent: Tensor, labels: Tensor) -> Tensor:
        """lambda (E log Q(c|x) + H(c)), by kind of code."""
        total = torch.zeros((), dtype=torch.float64)
        for row, code, label in zip(outputs, latent, labels, strict=True):
            total = total + 0.7 * (torch.log(torch.exp(row[1 + label]) / torch.exp(row[1:4]).sum()) + math.log(3))
            for place in range(2):
                mean, variance = row[4 + place], torch.exp(row[6 + place])
                density = torch.exp(-((code[place] - mean) ** 2) / (2 * variance)) / torch.sqrt(2 * math.pi * variance)
                total = total + 0.2 * (torch.log(density) + math.log(2 * math.pi * math.e) / 2)
        return total / SIZE

    for critic_draws, generator_draws in zip(draws[::2], draws[1::2], strict=True):
        fake, latent, labels = made(critic_draws)
        outputs = d(fake.detach())
        loss = bce(d(critic_draws.real)[:, 0], 1) + bce(outputs[:, 0], 0) - informed(outputs, latent, labels)
        of_d.step(d, loss, 1e-3)
        fake, latent, labels = made(generator_draws)
        outputs = d(fake)
        of_g.step(g, bce(outputs[:, 0], 1) - informed(outputs, latent, labels), 1e-3)
    assert_equal(work.model.modules, nets)


@pytest.mark.parametrize("conditional", [False, True])
def test_lapgan(monkeypatch, conditional):
    """LAPGAN, section 2.3: at each level I = u(d(I)) + h; L_D = -E log D(l + h) - E log(1 - D(l + G(z, l))), L_G = -E
    log D(l + G(z, l)), l = u(d(I)); the coarsest level is a GAN of its images; Adam. u and d as matrices."""
    side, coarse = 16, 8
    variant = {
        "network": {"laplacian_pyramid": {"width": 2, "coarse_latent": 3}},
        "method": {"lapgan": {"conditional": conditional}},
        "optimizer": {"adam": {"lr": 1e-3}},
    }
    nets, work, draws = trained(monkeypatch, variant, side, latent=3 + side**2)
    of_d, of_g = Adam(0.5, 0.999), Adam(0.5, 0.999)
    down = torch.zeros(coarse, side).double()
    up = torch.zeros(side, coarse).double()
    for row in range(coarse):
        down[row, 2 * row] = down[row, 2 * row + 1] = 1 / 2
        for shift, (near, far) in ((0, (row, max(row - 1, 0))), (1, (row, min(row + 1, coarse - 1)))):
            up[2 * row + shift, near] += 3 / 4
            up[2 * row + shift, far] += 1 / 4
    count = 3 if conditional else 0

    def levels(drawn: DoubleDraws):
        codes = drawn.normal("latent", (SIZE, 3 + side**2))
        classes = one_hot(drawn.batch().labels, 3) if conditional else torch.zeros(SIZE, 0).double()
        small = down @ drawn.real @ down.T
        low = up @ small @ up.T
        details = drawn.real - low
        made = nets["generator_16"](low, codes[:, 3:], classes)
        first = nets["generator_8"](torch.cat([codes[:, :3], classes], 1))
        return {8: (small, first), 16: (low + details, low + made)}, classes

    def scores(size: int, images: Tensor, classes: Tensor) -> Tensor:
        planes = torch.ones(SIZE, count, size, size).double() * classes.reshape(SIZE, count, 1, 1)
        return nets[f"critic_{size}"](torch.cat([images, planes], 1)).flatten()

    critics, generators = (
        torch.nn.ModuleList([nets[f"{kind}_{size}"] for size in (8, 16)]) for kind in ("critic", "generator")
    )
    for critic_draws, generator_draws in zip(draws[::2], draws[1::2], strict=True):
        made, classes = levels(critic_draws)
        loss = sum(
            bce(scores(size, real, classes), 1) + bce(scores(size, fake.detach(), classes), 0)
            for size, (real, fake) in made.items()
        )
        of_d.step(critics, loss, 1e-3)
        made, classes = levels(generator_draws)
        of_g.step(generators, sum(bce(scores(size, fake, classes), 1) for size, (_, fake) in made.items()), 1e-3)
    assert_equal(work.model.modules, nets)


@pytest.mark.parametrize("family", ["pixelcnn", "pixelrnn"])
def test_maximum_likelihood_of_autoregressive_networks(monkeypatch, family):
    """PixelRNN, equations 1 and 2 with the softmax of section 3.4: the mean over the batch of -log2 of the product of
    each value's probability, over the number of values; Adam."""
    variant = {
        "network": {family: {"width": 1, "layers": 1}},
        "method": "autoregressive",
        "optimizer": {"adam": {"lr": 1e-3}},
    }
    nets, work, draws = trained(monkeypatch, variant, latent=192)
    network, of_it = nets["generator"], Adam(0.5, 0.999)
    for drawn in draws:
        x = drawn.real
        weights = network.head(network.across(x.movedim(1, 3), network.above(x, x.new_zeros(SIZE, 0)))).exp()
        values = ((x + 1) * 127.5).round().long()
        total = 0
        for colour in range(3):
            of_colour = weights[..., 256 * colour : 256 * colour + 256]
            chosen = of_colour.gather(3, values[:, colour, :, :, None])[..., 0]
            total = total - torch.log2(chosen / of_colour.sum(3)).sum()
        of_it.step(network, total / (SIZE * 192), 1e-3)
    assert_equal(work.model.modules, nets)
