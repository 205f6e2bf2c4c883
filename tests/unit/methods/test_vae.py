"""The VAE: its loss by independent formulas in float64, and the bound against an exact likelihood."""

import math

import numpy as np
import pytest
import torch
from models import built, one_iteration, step_draws, variant
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from ganflow.errors import UserError
from ganflow.methods.recipes.vae import VAEModel

DEVIATION = 0.3
LATENT = 5


def vae(shape: tuple[int, ...] = (16, 16, 3), **method) -> VAEModel:
    network = {"dcgan": {"width": 4, "norm": "none", "weight_std": None}} if len(shape) == 3 else {"toy_mlp": {}}
    return built(variant(network=network, method={"vae": {"deviation": DEVIATION} | method}), shape, latent=LATENT)


def double(model: VAEModel) -> VAEModel:
    for module in model.modules.values():
        module.double()
    return model


@pytest.mark.parametrize("shape", [(16, 16, 3), (2,)], ids=["images", "points"])
def test_terms_of_the_bound_are_those_of_torchs_distributions(shape):
    model = double(vae(shape))
    x = step_draws(shape=shape).batch().values.double()
    noise = torch.randn(4, LATENT, dtype=torch.float64)
    with torch.no_grad():
        code = model.modules["encoder"](x)
        posterior = Normal(code[:, :LATENT], (code[:, LATENT:] / 2).exp())
        decoded = model.modules["generator"](posterior.mean + posterior.stddev * noise)
        likelihood = Independent(Normal(decoded, DEVIATION), x.dim() - 1).log_prob(x)
        divergence = kl_divergence(posterior, Normal(torch.zeros(()).double(), torch.ones(()).double())).sum(1)
        found = model.elbo_terms(x, noise)
    assert found[0].numpy() == pytest.approx(-likelihood.numpy(), rel=1e-12)
    assert found[1].numpy() == pytest.approx(divergence.numpy(), rel=1e-12)


def test_the_loss_is_the_mean_with_betas_weight_and_journals_its_terms():
    model = vae(beta=4.0)
    draws = step_draws()
    loss, values = model.players[0].loss(draws)
    with torch.no_grad():
        terms = model.elbo_terms(draws.batch().values, draws.normal("posterior", (4, LATENT)))
    assert loss.item() == pytest.approx(float(terms[0].mean() + 4 * terms[1].mean()), rel=1e-6)
    assert values["kl_divergence"] == terms[1].mean() and values["reconstruction_loss"] == terms[0].mean()
    assert model.players[0].trains == ("encoder", "generator") and model.summary == ("vae, beta 4",)


class Linear(nn.Module):
    """x = W z + b, or the mean and log variance of a normal distribution of z by a matrix and a constant."""

    def __init__(self, matrix: np.ndarray, offset: np.ndarray, log_variance: np.ndarray | None = None):
        super().__init__()
        self.matrix, self.offset = torch.from_numpy(matrix), torch.from_numpy(offset)
        self.log_variance = None if log_variance is None else torch.from_numpy(log_variance)

    def forward(self, x):
        mean = x @ self.matrix.T + self.offset
        return mean if self.log_variance is None else torch.cat([mean, self.log_variance.expand_as(mean)], 1)


def bounds(decoder: Linear, encoder: Linear, x: torch.Tensor, samples: int) -> torch.Tensor:
    """The evidence lower bound of each x, in nats, by so many samples of z."""
    model = vae((2,))
    model.modules = {"encoder": encoder, "generator": decoder}
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal((samples, 2)))
    found = []
    for one in x:
        reconstruction, divergence = model.elbo_terms(one.expand(samples, 2), noise)
        found.append(-(reconstruction.mean() + divergence[0]))
    return torch.stack(found)


def test_the_bound_is_below_the_exact_likelihood_of_a_linear_decoder_and_reaches_it_at_the_posterior():
    """x = W z + b + noise: log p(x) is that of N(b, W W^T + deviation^2), and W^T W is diagonal here, so that the
    posterior is in the family of the encoder."""
    rotation, scale = np.linalg.qr(np.array([[1.0, 2.0], [0.5, -1.0]]))[0], np.array([1.5, 0.4])
    w, b, variance = rotation * scale, np.array([0.3, -0.2]), DEVIATION**2
    x = torch.from_numpy(np.random.default_rng(1).standard_normal((6, 2)))
    covariance = torch.from_numpy(w @ w.T + variance * np.eye(2))
    exact = MultivariateNormal(torch.from_numpy(b), covariance).log_prob(x)
    precision = scale**2 / variance + 1
    gain = (w / precision / variance).T  # the posterior's mean is gain (x - b), its variance 1 / precision
    best = Linear(gain, -gain @ b, -np.log(precision))
    decoder = Linear(w, b)
    at_best = bounds(decoder, best, x, 200_000)
    assert at_best.numpy() == pytest.approx(exact.numpy(), abs=0.02)
    for matrix, offset, spread in ((0.7, 0.0, 0.0), (1.0, 0.3, 0.0), (1.0, 0.0, 1.0)):
        other = Linear(matrix * gain, -gain @ b + offset, -np.log(precision) + spread)
        assert (bounds(decoder, other, x, 20_000) < exact - 0.02).all()


def test_the_bound_at_the_posterior_is_exact_whatever_the_sample_when_summed_with_its_log_ratio():
    """log p(x|z) + log p(z) - log q(z|x) is log p(x) for every z at the exact posterior: an exact check."""
    w, b, variance = np.diag([1.5, 0.4]), np.array([0.3, -0.2]), DEVIATION**2
    precision = np.diag(w) ** 2 / variance + 1
    gain = w / precision[:, None] / variance
    model = vae((2,))
    model.modules = {"encoder": Linear(gain, -gain @ b, -np.log(precision)), "generator": Linear(w, b)}
    draw = np.random.default_rng(0)
    x, noise = (torch.from_numpy(draw.standard_normal((50, 2))) for _ in range(2))
    reconstruction, _ = model.elbo_terms(x, noise)
    mean, deviation = x @ torch.from_numpy(gain).T - torch.from_numpy(gain @ b), torch.from_numpy(precision) ** -0.5
    z = mean + deviation * noise
    log_ratio = (Normal(0.0, 1.0).log_prob(z) - Normal(mean, deviation).log_prob(z)).sum(1)
    exact = MultivariateNormal(torch.from_numpy(b), torch.from_numpy(w @ w.T + variance * np.eye(2))).log_prob(x)
    assert (log_ratio - reconstruction).numpy() == pytest.approx(exact.numpy(), abs=1e-6)


def test_reconstructions_are_rows_of_originals_and_what_the_posteriors_mean_decodes_to():
    model = vae()
    [grid] = model.grids
    draws = step_draws(size=20)
    with torch.no_grad():
        shown = grid.make(model.modules["generator"], draws)
        mean = model.modules["encoder"](draws.batch().values)[:, :LATENT]
        expected = model.modules["generator"](mean)
    assert grid.columns == 8 and shown.shape == (32, 3, 16, 16)
    for row in (0, 1):
        assert torch.equal(shown[16 * row : 16 * row + 8], draws.batch().values[8 * row : 8 * row + 8])
        assert torch.allclose(shown[16 * row + 8 : 16 * row + 16], expected[8 * row : 8 * row + 8], atol=1e-5)
    assert grid.make(model.modules["generator"], step_draws(size=5)).shape == (10, 3, 16, 16)  # a short row is whole
    assert vae((2,)).grids == ()


def test_held_out_samples_are_scored_by_the_same_loss():
    model = vae()
    draws = step_draws()
    found = model.monitor([draws])
    assert found["validation_vae_loss"] == pytest.approx(model.players[0].loss(draws)[1]["vae_loss"].item(), rel=1e-6)
    one_iteration(model)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": {"vae": {"beta": 0.0}}}, r"variants\.v\.method\.vae\.beta = 0\.0"),
        ({"method": {"vae": {"objective": "wasserstein"}}}, r"method\.vae\.objective: unknown key; known keys: beta"),
        ({"method": "vea"}, "did you mean `vae`"),
        ({"method": "vae", "optimizers": {"critic": "adam"}}, "the method 'vae' has no such player; it has: auto"),
    ],
)
def test_mistakes_are_sentences(changes, said):
    with pytest.raises(UserError, match=said):
        built(variant(**changes))


def test_keys_without_meaning_are_refused():
    for key, value in (("dequantise", True), ("generator_batch", 2)):
        with pytest.raises(UserError, match=rf"training\.{key} = {value}: is not used by the method 'vae'; remove"):
            built(variant(method="vae"), **{key: value})
    assert math.isclose(vae().variance, 0.09)
    with pytest.raises(UserError, match="its generator has no parameters, so it can.t be trained"):
        built(variant(network="noised_data", method="vae"), (2,))
