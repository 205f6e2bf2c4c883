"""Objectives against the papers' formulas and what the papers prove of them, on discrete distributions in float64."""

import math

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ganflow.methods.objectives.f_gan import DIVERGENCES, FGAN
from ganflow.methods.objectives.least_squares import LeastSquares
from ganflow.methods.objectives.minimax import Minimax
from ganflow.methods.objectives.non_saturating import NonSaturating
from ganflow.methods.objectives.wasserstein import Wasserstein

P, Q = np.array([8, 5, 2, 1]) / 16, np.array([2, 3, 4, 7]) / 16
COUNT = 16
REAL = torch.tensor([1.5, -0.3, 2.0], dtype=torch.float64)
FAKE = torch.tensor([0.2, -4.0, 0.9], dtype=torch.float64)


def samples(values: np.ndarray, probabilities: np.ndarray) -> Tensor:
    """Values as often as they are probable, so that a mean over them is the expectation."""
    return torch.from_numpy(np.repeat(values, (probabilities * COUNT).round().astype(int)))


def kl(p: np.ndarray, q: np.ndarray) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.where(p > 0, p * np.log(p / q), 0).sum())


def js(p: np.ndarray, q: np.ndarray) -> float:
    """With the half: log 2 for disjoint distributions."""
    return kl(p, (p + q) / 2) / 2 + kl(q, (p + q) / 2) / 2


def tv(p: np.ndarray, q: np.ndarray) -> float:
    return float(np.abs(p - q).sum() / 2)


def near(value: float) -> object:
    return pytest.approx(value, rel=1e-12, abs=1e-12)


def slope_at(objective, scores: np.ndarray) -> Tensor:
    """The gradient of the expected critic loss in the score of each point."""
    free = torch.from_numpy(scores).requires_grad_()
    repeats = [torch.from_numpy((p * COUNT).round().astype(int)) for p in (P, Q)]
    loss = objective.critic_loss(*(free.repeat_interleave(times) for times in repeats))
    return torch.autograd.grad(loss, free)[0]


@pytest.mark.parametrize("objective", [Minimax(), NonSaturating()])
def test_the_optimal_discriminator_and_its_value(objective):
    """GAN paper, proposition 1 and theorem 1."""
    logits = np.log(P / Q)
    assert 1 / (1 + np.exp(-logits)) == near(P / (P + Q))
    assert slope_at(objective, logits).abs().max() < 1e-12
    value = -objective.critic_loss(samples(logits, P), samples(logits, Q)).item()
    assert value == near(2 * js(P, Q) - 2 * math.log(2))
    assert objective.estimate(samples(logits, P), samples(logits, Q)).item() == near(js(P, Q))


def test_generator_losses_at_the_optimum():
    """Minimax minimises 2 JS; -log D is KL(Pg || Pr) - 2 JS but for terms without Pg (Arjovsky and Bottou, thm 2.5)."""
    logits, discriminator = np.log(P / Q), P / (P + Q)
    fixed = float((P * np.log(discriminator)).sum())
    assert Minimax().generator_loss(samples(logits, Q)).item() + fixed == near(2 * js(P, Q) - 2 * math.log(2))
    loss = NonSaturating().generator_loss(samples(logits, Q)).item()
    assert loss == near(kl(Q, P) - 2 * js(P, Q) + 2 * math.log(2) + fixed)

    theta = torch.tensor(np.log(Q)).requires_grad_()
    p, q = torch.tensor(P), theta.softmax(0)
    middle = (p + q) / 2
    divergence = (q * (q / p).log()).sum() - (p * (p / middle).log()).sum() - (q * (q / middle).log()).sum()
    [expected] = torch.autograd.grad(divergence, theta, retain_graph=True)
    expected_loss = (q * torch.nn.functional.softplus(-torch.from_numpy(logits))).sum()
    [found] = torch.autograd.grad(expected_loss, theta)
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("a", "b", "c"), [(0.0, 1.0, 1.0), (-1.0, 1.0, 0.0)])
def test_least_squares_at_the_optimum(a, b, c):
    """LSGAN, equations 4 to 7: D* = (b p + a q) / (p + q), and a Pearson divergence where b - c = 1, b - a = 2."""
    objective = LeastSquares(a=a, b=b, c=c)
    best = (b * P + a * Q) / (P + Q)
    assert slope_at(objective, best).abs().max() < 1e-12
    le_cam = ((P - Q) ** 2 / (P + Q)).sum() / 2
    assert objective.estimate(samples(best, P), samples(best, Q)).item() == near(le_cam)
    if (b - c, b - a) == (1, 2):
        total = objective.generator_loss(samples(best, P)) + objective.generator_loss(samples(best, Q))
        pearson = ((P + Q - 2 * Q) ** 2 / (P + Q)).sum()  # chi^2(p + q || 2 q)
        assert 2 * total.item() == near(pearson)


F = {  # generator function f(u) and its derivative, f-GAN's tables 1 and 5
    "kl": (lambda u: u * np.log(u), lambda u: np.log(u) + 1),
    "reverse_kl": (lambda u: -np.log(u), lambda u: -1 / u),
    "pearson": (lambda u: (u - 1) ** 2, lambda u: 2 * (u - 1)),
    "squared_hellinger": (lambda u: (np.sqrt(u) - 1) ** 2, lambda u: 1 - 1 / np.sqrt(u)),
    "jensen_shannon": (
        lambda u: -(u + 1) * np.log((1 + u) / 2) + u * np.log(u),
        lambda u: np.log(2 * u / (1 + u)),
    ),
    "gan": (lambda u: u * np.log(u) - (u + 1) * np.log(u + 1), lambda u: np.log(u / (1 + u))),
}
INVERSE = {  # of the output activations g_f
    "kl": lambda t: t,
    "reverse_kl": lambda t: -np.log(-t),
    "pearson": lambda t: t,
    "squared_hellinger": lambda t: -np.log(1 - t),
    "jensen_shannon": lambda t: -np.log(2 / np.exp(t) - 1),
    "gan": lambda t: -np.log(np.exp(-t) - 1),
}
CONJUGATE = {  # f*(t), table 2
    "kl": lambda t: np.exp(t - 1),
    "reverse_kl": lambda t: -1 - np.log(-t),
    "pearson": lambda t: t**2 / 4 + t,
    "squared_hellinger": lambda t: t / (1 - t),
    "jensen_shannon": lambda t: -np.log(2 - np.exp(t)),
    "gan": lambda t: -np.log(1 - np.exp(t)),
    "total_variation": lambda t: t,
}


@pytest.mark.parametrize("divergence", F)
def test_variational_bounds_are_exact_at_the_optimum_and_below_it_elsewhere(divergence):
    """f-GAN, equations 4 and 5."""
    f, derivative = F[divergence]
    objective = FGAN(divergence=divergence)
    best = INVERSE[divergence](derivative(P / Q))
    exact = float((Q * (f(P / Q) - f(np.ones(1)))).sum())
    assert slope_at(objective, best).abs().max() < 1e-12
    assert objective.estimate(samples(best, P), samples(best, Q)).item() == near(exact)
    draw = np.random.default_rng(0)
    for scores in best + draw.normal(0, 0.5, (100, len(best))):
        assert objective.estimate(samples(scores, P), samples(scores, Q)).item() < exact
    assert INVERSE[divergence](derivative(np.ones(1))) == near(DIVERGENCES[divergence].threshold)


def test_total_variation_is_the_bounds_limit():
    """T* = sign(p - q) / 2 is the supremum of tanh(v) / 2, reached as far as scores are large."""
    objective, scores = FGAN(divergence="total_variation"), np.sign(P - Q) * 40
    assert objective.estimate(samples(scores, P), samples(scores, Q)).item() == near(tv(P, Q))


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_conjugates_are_those_of_table_2(divergence):
    scores = torch.linspace(-3, 3, 41, dtype=torch.float64)
    row = DIVERGENCES[divergence]
    assert row.conjugate(scores).numpy() == near(CONJUGATE[divergence](row.activation(scores).numpy()))
    assert (row.activation(scores).diff() > 0).all()
    assert torch.isfinite(row.conjugate(torch.tensor([-80.0, 80.0]))).all()


@pytest.mark.parametrize(
    "objective",
    [
        NonSaturating(),
        LeastSquares(),
        LeastSquares(a=-1.0, c=0.0),
        *map(lambda name: FGAN(divergence=name), DIVERGENCES),
    ],
)
def test_legends_are_true(objective):
    """No constant score has a smaller loss than `chance_loss`, and no two distributions an estimate out of range."""
    legend = objective.legend
    flat = torch.linspace(-5, 5, 2001, dtype=torch.float64)
    losses = torch.stack([objective.critic_loss(v[None], v[None]) for v in flat])
    assert losses.min().item() == pytest.approx(legend.chance_loss, abs=1e-5)
    constant = flat[losses.argmin()][None]
    assert objective.estimate(constant, constant).item() == pytest.approx(0, abs=1e-5)
    if legend.largest is not None:
        far = [objective.estimate(torch.tensor([v]), torch.tensor([-w])) for v in (1.0, 2.0, 40.0) for w in (0.0, 40.0)]
        assert max(far) <= legend.largest + 1e-6


def points(count: int, dimension: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dimension))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 9), st.integers(1, 3))
def test_the_wasserstein_estimate_of_the_best_potential_is_the_transport_cost(seed, count, dimension):
    real, fake = points(count, dimension, seed), points(count, dimension, seed + 1) + 0.5
    cost = ot.dist(real, fake, metric="euclidean")
    weights = np.full(count, 1 / count)
    distance, log = ot.emd2(weights, weights, cost, log=True)
    estimate = Wasserstein().estimate(torch.from_numpy(log["u"]), torch.from_numpy(-log["v"])).item()
    assert estimate == pytest.approx(distance, rel=1e-9)
    direction = torch.from_numpy(points(1, dimension, seed + 2)[0])
    scores = [torch.from_numpy(x) @ direction / direction.norm() for x in (real, fake)]
    assert Wasserstein().estimate(*scores).item() <= distance + 1e-12  # any function of slope 1


def test_transport_is_continuous_where_jensen_shannon_and_kullback_leibler_jump():
    """WGAN, example 1: the segment {0} x [0, 1] and its copy at distance theta."""
    heights = np.linspace(0, 1, 12)
    weights = np.full(12, 1 / 12)
    for theta in (0.0, 1e-6, 0.1, 1.0):
        lines = [np.stack([np.full(12, x), heights], axis=1) for x in (0.0, theta)]
        assert ot.emd2(weights, weights, ot.dist(*lines, metric="euclidean")) == pytest.approx(theta, abs=1e-12)
        together = theta == 0
        p = np.concatenate([weights, np.zeros(12)])
        q = p if together else p[::-1]
        assert js(p, q) == near(0 if together else math.log(2))
        assert kl(p, q) == (0 if together else math.inf)
        assert tv(p, q) == near(0 if together else 1)


def distances(p: np.ndarray, q: np.ndarray, places: np.ndarray) -> dict[str, float]:
    cost = np.abs(places[:, None] - places[None]).astype(float)
    return {"kl": kl(p, q), "js": js(p, q), "tv": tv(p, q), "em": float(ot.emd2(p, q, cost))}


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0.01, 1), min_size=5, max_size=5), st.lists(st.floats(0.01, 1), min_size=5, max_size=5))
def test_inequalities_behind_the_order_of_strength(one, other):
    """WGAN, theorem 2: KL bounds JS and TV, which bound each other, and TV bounds EM on a compact space."""
    p, q = np.array(one) / sum(one), np.array(other) / sum(other)
    places = np.array([0.0, 0.3, 1.0, 2.0, 4.0])
    d = distances(p, q, places)
    assert 2 * d["tv"] ** 2 <= d["kl"] + 1e-12  # Pinsker
    assert d["tv"] ** 2 / 2 <= d["js"] + 1e-12 and d["js"] <= math.log(2) * d["tv"] + 1e-12
    assert d["em"] <= np.ptp(places) * d["tv"] + 1e-12


def test_the_order_of_strength_is_strict_on_sequences():
    for n in (10, 1000, 100_000):
        near_zero = distances(np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.array([0.0, 1 / n]))
        assert near_zero["em"] == near(1 / n)  # converges in EM,
        assert near_zero["tv"] == 1 and near_zero["js"] == near(math.log(2))  # neither in TV nor in JS
        leak = distances(np.array([1 - 1 / n, 1 / n]), np.array([1.0, 0.0]), np.array([0.0, 1.0]))
        assert leak["tv"] == near(1 / n) and leak["js"] < 1 / n  # converges in TV, JS and EM,
        assert leak["em"] == near(1 / n) and leak["kl"] == math.inf  # not in KL
        mixed = distances(np.array([0.5 + 0.5 / n, 0.5 - 0.5 / n]), np.array([0.5, 0.5]), np.array([0.0, 1.0]))
        assert max(mixed.values()) <= 1 / n  # in KL, and so in all


def test_wasserstein():
    objective = Wasserstein()
    assert objective.critic_loss(REAL, FAKE).item() == pytest.approx(np.mean(FAKE.numpy()) - np.mean(REAL.numpy()))
    assert objective.generator_loss(FAKE).item() == pytest.approx(-np.mean(FAKE.numpy()))
    assert objective.estimate(REAL, FAKE) == -objective.critic_loss(REAL, FAKE)


def test_non_saturating():
    real, fake = 1 / (1 + np.exp(-REAL.numpy())), 1 / (1 + np.exp(-FAKE.numpy()))
    objective = NonSaturating()
    loss = -np.log(real).mean() - np.log(1 - fake).mean()
    assert objective.critic_loss(REAL, FAKE).item() == pytest.approx(loss, rel=1e-12)
    assert objective.generator_loss(FAKE).item() == pytest.approx(-np.log(fake).mean(), rel=1e-12)


def test_jensen_shannon_estimate_is_exact_at_the_optimum():
    p, q = np.array([0.5, 0.4, 0.1]), np.array([0.2, 0.2, 0.6])
    logits = torch.tensor(np.log(p / q))  # D* = p / (p + q)
    counts = 10
    real = logits.repeat_interleave(torch.tensor((p * counts).round().astype(int)))
    fake = logits.repeat_interleave(torch.tensor((q * counts).round().astype(int)))
    middle = (p + q) / 2
    js = 0.5 * (p * np.log(p / middle)).sum() + 0.5 * (q * np.log(q / middle)).sum()
    assert NonSaturating().estimate(real, fake).item() == pytest.approx(js, rel=1e-12)
