"""BEGAN: the balance between its players, and what it measures."""

import pytest
import torch
from models import built, one_iteration, step_draws, variant

from ganflow.errors import UserError
from ganflow.methods.recipes.began import BEGANModel

PLAIN = {"dcgan": {"width": 4, "norm": "none", "weight_std": None}}


def began(shape: tuple[int, ...] = (16, 16, 3), **method) -> BEGANModel:
    network = PLAIN if len(shape) == 3 else {"toy_mlp": {"width": 8}}
    return built(variant(network=network, method={"began": method}), shape)


@pytest.mark.parametrize(
    ("gamma", "rate", "real", "fake", "start", "expected"),
    [
        (0.5, 0.1, 2.0, 0.4, 0.2, 0.2 + 0.1 * (1.0 - 0.4)),
        (0.5, 0.1, 2.0, 3.0, 0.5, 0.5 + 0.1 * (1.0 - 3.0)),
        (1.0, 10.0, 2.0, 0.5, 0.9, 1.0),  # clamped
        (0.1, 10.0, 0.5, 2.0, 0.1, 0.0),
    ],
)
def test_k_moves_towards_the_diversity_ratio_within_0_and_1(gamma, rate, real, fake, start, expected):
    model = began(gamma=gamma, rate=rate)
    model.state["k"].fill_(start)
    model.losses = {"real": torch.tensor(real), "fake": torch.tensor(fake)}
    model.players[1].after()
    assert model.state["k"].item() == pytest.approx(expected, rel=1e-6)


def test_the_losses_and_the_convergence_measure_are_those_of_the_paper():
    model = began(gamma=0.7)
    model.state["k"].fill_(0.4)
    draws = step_draws()

    def reconstruction_error(x: torch.Tensor) -> float:
        return float((x - model.modules["decoder"](model.modules["encoder"](x))).abs().mean())

    with torch.no_grad():
        fake = model.modules["generator"](draws.normal("latent", (4, 5)))
        of_real, of_fake = reconstruction_error(draws.batch().values), reconstruction_error(fake)
    critic, _ = model.players[0].loss(draws)
    generator, values = model.players[1].loss(draws)
    assert critic.item() == pytest.approx(of_real - 0.4 * of_fake, rel=1e-5)
    assert generator.item() == pytest.approx(of_fake, rel=1e-5)
    convergence = of_real + abs(0.7 * of_real - of_fake)
    assert values["convergence"].item() == pytest.approx(convergence, rel=1e-5) and values["k"] == pytest.approx(0.4)
    assert model.monitor([draws])["validation_convergence"] == pytest.approx(convergence, rel=1e-5)


def test_the_critics_step_does_not_train_the_generator():
    model = began()
    loss, _ = model.players[0].loss(step_draws())
    loss.backward()
    assert all(p.grad is None for p in model.modules["generator"].parameters())
    assert model.players[0].trains == ("encoder", "decoder") and model.players[1].trains == ("generator",)


def test_the_code_has_the_length_that_is_asked_for():
    assert began(code=9).modules["encoder"](torch.zeros(2, 3, 16, 16)).shape == (2, 9)
    assert began().modules["encoder"](torch.zeros(2, 3, 16, 16)).shape == (2, 5)
    with pytest.raises(UserError, match=r"began\.gamma = 1\.5"):
        began(gamma=1.5)
    with pytest.raises(UserError, match=r"began\.code = 0"):
        began(code=0)


@pytest.mark.parametrize("shape", [(16, 16, 3), (2,)], ids=["images", "points"])
def test_it_trains(shape):
    one_iteration(began(shape), shape)
