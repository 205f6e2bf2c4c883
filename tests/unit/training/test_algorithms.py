"""Whole iterations of the training loop against literal transcriptions of the papers' algorithms, in float64.

The transcriptions share networks and drawn numbers with the loop, and nothing else: their losses, penalties, clipping
and optimisers are loops and formulas, with autograd for gradients alone.
"""

import math
import re
from collections import defaultdict
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import Tensor

from ganflow.config import Training, Variant
from ganflow.data.reader import batch_indices
from ganflow.methods.draws import Batch, Draws
from ganflow.methods.interfaces import Data, Task
from ganflow.methods.tasks import method_of
from ganflow.training import loop
from ganflow.training.loop import Trainer
from ganflow.training.state import State

SIZE, LATENT, ITERATIONS = 5, 4, 3
MLP = {"mlp": {"width": 6, "layers": 2}}
DCGAN = {"dcgan": {"width": 3}}


class Pictures:
    """A labelled data set in memory."""

    count, classes = 40, ("a", "b", "c")

    def __init__(self, side: int):
        self.shape = (side, side, 3)
        self.pixels = np.random.default_rng(0).integers(0, 256, (self.count, side, side, 3), dtype=np.uint8)

    def samples(self, indices: np.ndarray) -> np.ndarray:
        return self.pixels[indices]

    def labels(self, indices: np.ndarray) -> np.ndarray:
        return indices % 3

    def first(self, count: int) -> np.ndarray:
        return self.pixels[:count]


class DoubleDraws(Draws):
    """The loop's own draws as float64, kept in the order of the steps."""

    made: list["DoubleDraws"] = []

    def __init__(self, *arguments):
        super().__init__(*arguments)
        double = {}
        for role, batch in self.batches.items():
            pixels = ((batch.values + 1) * 127.5).round().double()
            double[role] = Batch(pixels / 127.5 - 1, batch.read_labels)
        self.batches = double
        DoubleDraws.made.append(self)

    def normal(self, name: str, shape: tuple[int, ...]) -> Tensor:
        return super().normal(name, shape).double()

    def uniform(self, name: str, shape: tuple[int, ...]) -> Tensor:
        return super().uniform(name, shape).double()

    @property
    def real(self) -> Tensor:
        return self.batch().values

    @property
    def latent(self) -> Tensor:
        return self.normal("latent", (self.size, LATENT))


def run(monkeypatch, variant: dict, side: int = 8, **training) -> tuple[dict, dict, list[DoubleDraws]]:
    """Networks before and after whole iterations of the loop, and the draws of its steps."""
    before, work, draws = trained(monkeypatch, {"critic_steps": 2} | variant, side, **training)
    return before, work.model.modules, draws


def trained(monkeypatch, variant: dict, side: int = 8, **training) -> tuple[dict, Trainer, list[DoubleDraws]]:
    """Networks before whole iterations of the loop, the trainer after them, and the draws of its steps."""
    monkeypatch.setattr(loop, "Draws", DoubleDraws)
    monkeypatch.setattr(DoubleDraws, "made", [])
    chosen = Variant.model_validate({"network": MLP} | variant)
    settings = Training(iterations=ITERATIONS, batch_size=SIZE, latent=LATENT, **training)
    pictures = Pictures(side)
    task = Task("v", chosen, settings, pictures.shape)
    model = method_of(task).build(task, Data(3, pictures.first), 0, "cpu")
    for module in model.modules.values():
        module.double()
    for tensor in model.state.values():
        tensor.data = tensor.double()
    before = deepcopy(model.modules)
    work, state = Trainer("test", model, settings, 0, "cpu", pictures, pictures), State()
    for _ in range(ITERATIONS):
        work.iterate(state, defaultdict(list))
        state.iteration += 1
    return before, work, DoubleDraws.made


def assert_equal(found: dict, expected: dict, free: str = "nothing") -> None:
    """Every parameter and buffer up to 1e-12, and up to 1e-9 those that the loss may not depend on: an optimiser that
    divides by the size of a gradient makes steps of the rounding errors there."""
    for key, module in expected.items():
        for (name, one), other in zip(module.state_dict().items(), found[key].state_dict().values(), strict=True):
            bound = 1e-9 if re.fullmatch(free, f"{key}.{name}") else 1e-12
            assert (one - other).abs().max() <= bound, f"{key}.{name}"


def one_hot(labels: Tensor, count: int) -> Tensor:
    rows = torch.zeros(len(labels), count, dtype=torch.float64)
    for row, label in zip(rows, labels, strict=True):
        row[label] = 1
    return rows


def bce(scores: Tensor, label: int) -> Tensor:
    """-E log D, or -E log(1 - D) with label 0; D = sigmoid(score)."""
    chance = torch.sigmoid(scores)
    return -torch.log(chance if label else 1 - chance).sum() / len(scores)


class Adam:
    """Kingma and Ba, Algorithm 1."""

    def __init__(self, beta1: float, beta2: float):
        self.betas, self.moments, self.t = (beta1, beta2), {}, 0

    def step(self, module, loss: Tensor, lr: float) -> None:
        self.t += 1
        weights = list(module.parameters())
        for index, (w, g) in enumerate(zip(weights, torch.autograd.grad(loss, weights), strict=True)):
            m, v = self.moments.get(index, (torch.zeros_like(w), torch.zeros_like(w)))
            (b1, b2) = self.betas
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
            self.moments[index] = m, v
            w.data = w.data - lr * (m / (1 - b1**self.t)) / (torch.sqrt(v / (1 - b2**self.t)) + 1e-8)


class RMSProp:
    """Tieleman and Hinton's; `start` and where epsilon stands tell torch's from TensorFlow 1's."""

    def __init__(self, rho: float, start: float, inside: float, outside: float):
        self.rho, self.start, self.inside, self.outside, self.squares = rho, start, inside, outside, {}

    def step(self, module, loss: Tensor, lr: float) -> None:
        weights = list(module.parameters())
        for index, (w, g) in enumerate(zip(weights, torch.autograd.grad(loss, weights), strict=True)):
            square = self.rho * self.squares.get(index, torch.full_like(w, self.start)) + (1 - self.rho) * g**2
            self.squares[index] = square
            w.data = w.data - lr * g / (torch.sqrt(square + self.inside) + self.outside)


def torch_rmsprop() -> RMSProp:
    return RMSProp(0.99, 0.0, 0.0, 1e-8)


def tf1_rmsprop() -> RMSProp:
    return RMSProp(0.9, 1.0, 1e-10, 0.0)


def iterations(draws: list[DoubleDraws], critic_steps: int = 2):
    """The draws of each iteration: those of the critic's steps, and the generator's."""
    for start in range(0, len(draws), critic_steps + 1):
        yield draws[start : start + critic_steps], draws[start + critic_steps]


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


def wgan_gp_loss(score, x: Tensor, x_tilde: Tensor, epsilon: Tensor, one_sided: bool = False) -> Tensor:
    """WGAN-GP, Algorithm 1, lines 4 to 8, for one sample; lambda = 10."""
    x_hat = (epsilon * x + (1 - epsilon) * x_tilde).requires_grad_()
    [gradient] = torch.autograd.grad(score(x_hat), x_hat, create_graph=True)
    norm = torch.sqrt((gradient**2).sum())
    excess = torch.maximum(norm - 1, torch.tensor(0.0)) if one_sided else norm - 1
    return score(x_tilde) - score(x) + 10 * excess**2


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


TABLE_2 = {  # f-GAN: output activation g_f and conjugate f*
    "total_variation": (lambda v: torch.tanh(v) / 2, lambda t: t),
    "kl": (lambda v: v, lambda t: torch.exp(t - 1)),
    "reverse_kl": (lambda v: -torch.exp(-v), lambda t: -1 - torch.log(-t)),
    "pearson": (lambda v: v, lambda t: t**2 / 4 + t),
    "squared_hellinger": (lambda v: 1 - torch.exp(-v), lambda t: t / (1 - t)),
    "jensen_shannon": (
        lambda v: torch.log(torch.tensor(2.0, dtype=v.dtype)) - torch.log(1 + torch.exp(-v)),
        lambda t: -torch.log(2 - torch.exp(t)),
    ),
    "gan": (lambda v: -torch.log(1 + torch.exp(-v)), lambda t: -torch.log(1 - torch.exp(t))),
}


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
