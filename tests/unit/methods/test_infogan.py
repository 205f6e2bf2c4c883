"""InfoGAN: its bounds against the information that they bound, and what its players and grids use of the codes."""

import math

import numpy as np
import pytest
import torch
from models import built, one_iteration, step_draws, variant

from ganflow.errors import UserError
from ganflow.methods.recipes.infogan import REACH, ROWS, STEPS, InfoGANModel, purity

PLAIN = {"dcgan": {"width": 4, "norm": "none", "weight_std": None}}


def infogan(shape: tuple[int, ...] = (16, 16, 3), **method) -> InfoGANModel:
    network = PLAIN if len(shape) == 3 else {"toy_mlp": {"width": 8}}
    return built(variant(network=network, method={"infogan": method}), shape)


def test_the_bound_of_a_category_is_its_information_if_q_is_the_posterior():
    """x of three values, of which each category prefers one; n large: I(c; x) = H(c) - H(c|x), by the joint table."""
    joint = np.array([[0.8, 0.1, 0.1], [0.1, 0.7, 0.2], [0.3, 0.3, 0.4]]) / 3  # (category, x)
    posterior = joint / joint.sum(0)
    exact = float((joint * np.log(joint / joint.sum(0) / joint.sum(1, keepdims=True))).sum())
    model = infogan(categories=3, continuous=0)
    counts = (joint * 3000).round().astype(int)
    labels, x = (torch.from_numpy(np.repeat(place, counts.ravel())) for place in np.indices((3, 3)).reshape(2, -1))
    logits = torch.from_numpy(np.log(posterior)).T[x]
    assert model.information(logits, torch.zeros(len(x), 5), labels)["information"].item() == pytest.approx(exact)
    assert model.information(logits * 0, torch.zeros(len(x), 5), labels)["information"].item() == pytest.approx(0)


@pytest.mark.parametrize("noise", [0.1, 1.0, 3.0])
def test_the_bound_of_continuous_codes_is_their_information_if_q_is_the_posterior(noise):
    """x = c + noise e: I(c; x) = log(1 + 1 / noise^2) / 2 for each of two codes, and c|x is normal."""
    model = infogan(categories=0, continuous=2)
    draw = torch.Generator().manual_seed(0)
    latent = torch.randn(200_000, 5, generator=draw, dtype=torch.float64)
    x = latent[:, :2] + noise * torch.randn(200_000, 2, generator=draw, dtype=torch.float64)
    variance = noise**2 / (1 + noise**2)
    outputs = torch.cat([x / (1 + noise**2), torch.full_like(x, math.log(variance))], dim=1)
    exact = math.log(1 + 1 / noise**2)
    found = model.information(outputs, latent, torch.zeros(len(x), dtype=torch.int64))["continuous_information"]
    assert found.item() == pytest.approx(exact, abs=0.01)
    blurred = torch.cat([outputs[:, :2] * 0.8, outputs[:, 2:] + 0.3], dim=1)  # any other Q
    assert model.information(blurred, latent, None)["continuous_information"] < exact - 0.01


def test_both_players_gain_by_information_and_the_generator_is_trained_by_its_own_step():
    model, draws = infogan(weight=0.7, continuous_weight=0.2), step_draws()
    for player, name in zip(model.players, ("critic_loss", "generator_loss"), strict=True):
        loss, values = player.loss(draws)
        latent, labels = model._drawn(draws)
        with torch.no_grad():
            terms = model.information(model._scored(model._generated(latent, labels))[1], latent, labels)
        kept = 0.7 * terms["information"] + 0.2 * terms["continuous_information"]
        assert loss.item() == pytest.approx((values[name] - kept).item(), rel=1e-5)
    model.players[0].loss(draws)[0].backward()
    assert all(p.grad is None for p in model.modules["generator"].parameters())


@pytest.mark.parametrize(
    ("categories", "labels", "share"),
    [
        ([0, 0, 1, 1, 2], [5, 5, 7, 7, 1], 1.0),
        ([0, 0, 0, 0], [1, 1, 2, 3], 0.5),
        ([0, 1, 2, 3], [4, 4, 4, 4], 1.0),
        ([2, 2, 0, 0, 0], [0, 1, 0, 0, 1], 0.6),
    ],
)
def test_purity(categories, labels, share):
    assert purity(torch.tensor(categories), torch.tensor(labels)) == pytest.approx(share)


def test_a_traversal_changes_one_code_a_row():
    model, seen = infogan(categories=3, continuous=2), []
    [grid] = model.grids
    made = grid.make(lambda codes: seen.append(codes) or torch.zeros(len(codes), 3, 16, 16), step_draws())
    [codes] = seen
    rows = codes.view(2, ROWS, STEPS, -1)
    assert len(made) == 2 * ROWS * STEPS and grid.columns == STEPS
    for code in range(2):
        others = [place for place in range(rows.shape[-1]) if place != code]
        assert rows[code, :, :, code].tolist() == [torch.linspace(-REACH, REACH, STEPS).tolist()] * ROWS
        assert torch.equal(rows[code][:, :, others], rows[code][:, :1, others].expand(-1, STEPS, -1))
    assert torch.equal(rows[0, :, 0, 2:], rows[1, :, 0, 2:])  # the same rows for each code


def test_settings_without_a_code_are_refused():
    with pytest.raises(UserError, match="no code holds information"):
        infogan(categories=0, continuous=0)
    with pytest.raises(UserError, match=r"infogan\.categories = 1"):
        infogan(categories=1)
    with pytest.raises(UserError, match="the latent vector has only 5 numbers"):
        infogan(continuous=6)


@pytest.mark.parametrize("method", [{}, {"categories": 0}, {"continuous": 0}], ids=["both", "continuous", "categories"])
@pytest.mark.parametrize("shape", [(16, 16, 3), (2,)], ids=["images", "points"])
def test_it_trains(shape, method):
    one_iteration(infogan(shape, **method), shape)
