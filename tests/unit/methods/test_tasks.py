"""From params.yaml to methods: players, optimisers, and messages that name the key that the user wrote."""

import pytest
from models import task, variant

from ganflow.config import Variant
from ganflow.errors import UserError
from ganflow.methods.recipes.adversarial import Adversarial
from ganflow.methods.tasks import method_of

WGAN_GP = {"objective": "wasserstein", "constraint": {"gradient_penalty": {"weight": 5.0}}, "critic_steps": 2}
REST = {"network": {"dcgan": {"width": 4, "critic_norm": "none"}}, "optimizer": "adam"}


def short(**changes) -> Variant:
    return Variant.model_validate(REST | WGAN_GP | changes)


def long(**changes) -> Variant:
    return Variant.model_validate(REST | {"method": {"adversarial": WGAN_GP | changes}})


def test_the_short_form_is_the_long_one():
    assert short().model_dump() == long().model_dump()
    assert method_of(task(short())) == method_of(task(long()))
    assert Variant.model_validate(short().model_dump()) == long()  # read back as it is written


def test_the_short_forms_keys_are_the_fields_of_the_method():
    assert set(Variant.short_keys) == set(Adversarial.model_fields)


@pytest.mark.parametrize(
    ("changes", "key", "said"),
    [
        ({"critic_steps": 0}, "critic_steps.steps = 0", ""),
        ({"constraint": "none"}, "constraint = 'none'", "without a constraint has no optimum"),
        ({"constraint": {"gradient_penalty": {"wieght": 1.0}}}, r"constraint.gradient_penalty.wieght", "unknown key"),
        ({"conditioning": "concatt"}, "conditioning = 'concatt'", "did you mean `concat`"),
        ({"critic_network": "mpl"}, "critic_network = 'mpl'", "did you mean `mlp`"),
    ],
)
def test_messages_name_the_key_that_was_written(changes, key, said):
    for made, prefix in ((short, "variants.v"), (long, "variants.v.method.adversarial")):
        with pytest.raises(UserError) as caught:
            method_of(task(made(**changes)))
        assert str(caught.value).startswith(f"params.yaml: {prefix}.{key}") and said in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"optimizers": {"critc": "adam"}}, r"optimizers\.critc: the method 'adversarial' has no such player; did you"),
        ({"optimizers": {"encoder": "adam"}}, "has no such player; it has: critic, generator"),
        ({"optimizers": {"critic": "adm"}}, r"variants\.v\.optimizers\.critic = 'adm': .*did you mean `adam`"),
        ({"optimizers": {"critic": {"adam": {"lr": -1.0}}}}, r"variants\.v\.optimizers\.critic\.adam\.lr = -1\.0"),
        ({"optimizer": {"adam": {"lr": -1.0}}}, r"variants\.v\.optimizer\.adam\.lr = -1\.0"),
    ],
)
def test_optimisers_of_players_are_checked(changes, said):
    with pytest.raises(UserError, match=said):
        method_of(task(variant(**changes)))


def test_a_player_without_an_optimiser_of_its_own_has_the_variants():
    asked = task(variant(optimizer={"adam": {"lr": 1e-4}}, optimizers={"critic": {"rmsprop": {"lr": 3e-4}}}))
    assert (asked.optimizer("critic").lr, asked.optimizer("generator").lr) == (3e-4, 1e-4)
