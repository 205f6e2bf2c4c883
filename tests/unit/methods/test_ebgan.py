"""EBGAN: energies, the margin, and the term that repels codes; whole iterations: training/test_family_algorithms.py."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from models import built, one_iteration, step_draws, variant

from ganflow.errors import UserError
from ganflow.methods.recipes.ebgan import EBGANModel, pulling_away

PLAIN = {"dcgan": {"width": 4, "norm": "none", "weight_std": None}}


def ebgan(shape: tuple[int, ...] = (16, 16, 3), **method) -> EBGANModel:
    network = PLAIN if len(shape) == 3 else {"toy_mlp": {"width": 8}}
    return built(variant(network=network, method={"ebgan": method}), shape)


def test_codes_of_one_direction_repel_fully_and_orthogonal_ones_not_at_all():
    same = torch.tensor([[3.0, 4.0], [0.6, 0.8], [-6.0, -8.0]])
    assert pulling_away(same).item() == pytest.approx(1, rel=1e-6)
    assert pulling_away(torch.eye(4) * torch.tensor([1.0, 20.0, 0.3, 5.0])).item() == 0
    assert pulling_away(torch.zeros(3, 2)).item() == 0 == pulling_away(torch.ones(1, 2)).item()


@given(st.integers(2, 7), st.integers(1, 5), st.integers(0, 10**6))
def test_pulling_away_is_the_mean_of_squared_cosines_of_all_pairs(count, size, seed):
    codes = torch.randn(count, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = torch.cosine_similarity(codes[:, None], codes[None], dim=2).square()
    expected = found[~torch.eye(count, dtype=torch.bool)].mean()
    assert pulling_away(codes).item() == pytest.approx(expected.item(), rel=1e-9)


def test_generated_samples_beyond_the_margin_do_not_train_the_critic():
    draws = step_draws()
    near, far = ebgan(margin=1e-3), ebgan(margin=1e3)  # energies of noise are near 20
    for model, pushes in ((near, False), (far, True)):
        loss, _ = model.players[0].loss(draws)
        with torch.no_grad():
            fake = model.generated(draws)
        expected = model.energy(draws.batch().values).mean() + pushes * (model.margin - model.energy(fake).mean())
        trained = [parameter for name in ("encoder", "decoder") for parameter in model.modules[name].parameters()]
        for one, other in zip(torch.autograd.grad(loss, trained), torch.autograd.grad(expected, trained), strict=True):
            assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_an_exact_reconstruction_has_no_energy_and_a_finite_gradient(monkeypatch):
    model = ebgan()
    samples = torch.zeros(2, 3, 4, 4, requires_grad=True)
    monkeypatch.setattr(model, "autoencoded", lambda x: x * 1.0)
    energy = model.energy(samples)
    energy.sum().backward()
    assert energy.max() < 1e-15 and samples.grad.abs().max() == 0


def test_the_critics_step_does_not_train_the_generator():
    model = ebgan(pulling_away=0.1)
    loss, _ = model.players[0].loss(step_draws())
    loss.backward()
    assert all(p.grad is None for p in model.modules["generator"].parameters())


def test_settings_out_of_range_are_refused():
    for setting, value in (("margin", 0), ("pulling_away", -0.1), ("code", 0)):
        with pytest.raises(UserError, match=rf"ebgan\.{setting} = {value}"):
            ebgan(**{setting: value})


@pytest.mark.parametrize("shape", [(16, 16, 3), (2,)], ids=["images", "points"])
def test_it_trains(shape):
    one_iteration(ebgan(shape, pulling_away=0.1), shape)
