"""MRGAN and MDGAN: who is trained on what; whole iterations: training/test_family_algorithms.py."""

import pytest
import torch
from models import built, one_iteration, step_draws, variant

from ganflow.errors import UserError
from ganflow.methods.interfaces import Model

PLAIN = {"dcgan": {"width": 4, "norm": "none", "weight_std": None}}
TRAINS = {
    "mrgan": [("critic", {"critic"}), ("generator", {"encoder", "generator"})],
    "mdgan": [
        ("manifold_critic", {"manifold_critic"}),
        ("manifold", {"encoder", "generator"}),
        ("critic", {"critic"}),
        ("generator", {"generator"}),
    ],
}


def made(method: str, shape: tuple[int, ...] = (16, 16, 3), **settings) -> Model:
    network = PLAIN if len(shape) == 3 else {"toy_mlp": {"width": 8}}
    return built(variant(network=network, method={method: settings}), shape)


@pytest.mark.parametrize("method", TRAINS)
def test_each_step_has_gradients_for_what_its_player_trains(method):
    model = made(method)
    for player, (name, trained) in zip(model.players, TRAINS[method], strict=True):
        for key, module in model.modules.items():
            module.zero_grad(set_to_none=True)
            module.requires_grad_(key in player.trains)
        loss, _ = player.loss(step_draws())
        loss.backward()
        assert player.name == name and set(player.trains) == trained
        assert {key for key, m in model.modules.items() if any(p.grad is not None for p in m.parameters())} == trained


def test_without_regularisers_it_is_a_gan():
    plain, regularised = made("mrgan", distance=0, modes=0), made("mrgan", distance=0.2, modes=0.4)
    draws = step_draws()
    loss, values = plain.players[1].loss(draws)
    more, _ = regularised.players[1].loss(draws)
    assert loss.item() == values["generator_loss"].item()
    added = 0.2 * values["reconstruction_error"] + 0.4 * values["mode_loss"]
    assert more.item() == pytest.approx(loss.item() + added.item(), rel=1e-6)


def test_the_second_critic_of_mdgan_compares_samples_with_reconstructions():
    model = made("mdgan")
    draws = step_draws()
    with torch.no_grad():
        real, fake = model.pair(draws)
        expected = model.reconstructed(draws.batch().values)
    assert torch.equal(real, expected) and torch.equal(fake, model.generated(draws).detach())
    assert "D(G(E(x)))" in model.charts[0].label and "D(real)" in made("mrgan").charts[0].label


def test_a_player_of_the_other_form_is_refused():
    with pytest.raises(UserError, match="manifold"):
        built(variant(network=PLAIN, method="mrgan", optimizers={"manifold": "adam"}), (16, 16, 3))


@pytest.mark.parametrize("shape", [(16, 16, 3), (2,)], ids=["images", "points"])
@pytest.mark.parametrize("method", TRAINS)
def test_it_trains(method, shape):
    one_iteration(made(method, shape), shape)


@pytest.mark.parametrize("method", ["mrgan", "mdgan"])
def test_points_have_the_critics_scores_on_a_lattice(method):
    model = built(variant(network={"toy_mlp": {"width": 8}}, method=method), (2,))
    points = torch.randn(5, 2)
    with torch.no_grad():
        found = model.diagnostics(points, points, lattice := torch.randn(9, 2))
        assert torch.equal(found["scores"], model.modules["critic"](lattice)[:, 0])
    assert torch.allclose(found["probabilities"], 1 / (1 + (-found["scores"]).exp()))
    assert model.diagnostics(points, points, None) == {}
