"""Maximum likelihood of autoregressive networks: bits per dimension, classes, and what is refused."""

import math

import pytest
import torch
from models import IMAGES, built, of_a_method, step_draws, task, variant

from ganflow.config import Variant
from ganflow.errors import UserError
from ganflow.methods.tasks import method_of

SIZE = math.prod(IMAGES)


def density(method="autoregressive", **changes) -> Variant:
    return variant(**of_a_method("pixelcnn", "autoregressive", IMAGES[0]) | {"method": method} | changes)


def test_a_softmax_of_equal_logits_takes_eight_bits():
    model = built(density())
    with torch.no_grad():
        for parameter in model.modules["generator"].parameters():
            parameter.zero_()
    loss, values = model.players[0].loss(step_draws())
    assert loss.item() == values["bits_per_dimension"].item() == pytest.approx(8, abs=1e-6)


def test_the_loss_is_the_mean_of_log_likelihoods_in_bits_on_each_split():
    model, draws = built(density()), step_draws()
    nats = model.modules["generator"].log_likelihood(draws.batch().values, torch.zeros(4, 0))
    expected = -nats.double().mean().item() / math.log(2) / SIZE
    assert model.players[0].loss(draws)[0].item() == pytest.approx(expected, rel=1e-6)
    assert model.validation(draws)["validation_bits_per_dimension"].item() == pytest.approx(expected, rel=1e-6)


def test_classes_are_given_if_it_is_conditional():
    model, draws = built(density({"autoregressive": {"conditional": True}})), step_draws()
    assert model.classes == 3
    found = model.bits_per_dimension(draws.batch().values, draws.batch().labels)
    other = model.bits_per_dimension(draws.batch().values, (draws.batch().labels + 1) % 3)
    assert not torch.isclose(found, other).any()
    assert model.players[0].loss(draws)[0].item() == pytest.approx(found.mean().item(), rel=1e-6)
    with pytest.raises(UserError, match=r"v\.method\.autoregressive\.conditional: datasets\.d has no classes"):
        method_of(task(density({"autoregressive": {"conditional": True}}), labelled=False))


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        (density("vae"), "'pixelcnn': is trained by the method 'autoregressive' alone; write `method: autoregressive`"),
        (density("mrgan"), "network = 'pixelcnn': is trained by the method 'autoregressive' alone"),
        (variant(network={"pixelcnn": {}}), "network = 'pixelcnn': is trained by the method 'autoregressive' alone"),
        (variant(critic_network={"pixelcnn": {}}), "critic_network = 'pixelcnn': is trained by the method"),
        (
            density(network={"dcgan": {}}),
            "the method 'autoregressive' does not train it; choose pixelcnn or pixelrnn",
        ),
    ],
)
def test_what_is_refused(chosen, said):
    with pytest.raises(UserError, match=r"^params\.yaml: variants\.v") as refused:
        method_of(task(chosen))
    assert said in str(refused.value)
