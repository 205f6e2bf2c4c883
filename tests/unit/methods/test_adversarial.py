"""The adversarial method: what it refuses, what its networks are given, and what it says of its numbers."""

import pytest
import torch
from models import built, one_iteration, step_draws, task, variant

from ganflow.errors import UserError
from ganflow.methods.draws import SAMPLES, Batch
from ganflow.methods.recipes.adversarial import CriticSteps
from ganflow.methods.tasks import method_of
from ganflow.networks.codes import codes
from ganflow.studies.critics import FixedUniform
from ganflow.training.pixels import to_pixels


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objective": "wasserstein"}, "without a constraint has no optimum"),
        ({"objective": "wasserstein", "constraint": "gradient_penalty"}, "batch normalisation in the critic mixes"),
        ({"constraint": "weight_clipping"}, "as a sigmoid loss does, so the critic could"),
        ({"constraint": "unit_sphere", "objective": "least_squares"}, "needs scores of any size"),
        ({"constraint": "spectral_norm"}, "which undoes the bound"),
        (
            {"objective": {"least_squares": {"a": 1.0}}},
            r"least_squares: a = 1.0, b = 1.0, c = 1.0: b and c must be larger",
        ),
        ({"objective": {"f_gan": {"divergence": "js"}}}, r"f_gan\.divergence = 'js'"),
        ({"critic_network": "mpl"}, "critic_network = 'mpl': .*did you mean `mlp`"),
        ({"optimizer": "adm"}, "did you mean `adam`"),
        ({"objective": "wassersten"}, "did you mean `wasserstein`"),
        ({"optimizer": {"adam": {"learning_rate": 1.0}}}, r"optimizer\.adam\.learning_rate: unknown key"),
        ({"network": "resnet50"}, "no such component"),
        ({"constraint": {"weight_clipping": {"limit": -1.0}}}, r"weight_clipping\.limit = -1\.0"),
    ],
)
def test_senseless_variants_are_refused_with_the_reason(changes, said):
    with pytest.raises(UserError, match=said):
        method_of(task(variant(**changes), (32, 32, 3)))


@pytest.mark.parametrize("network", ["network", "critic_network"])
def test_a_resolution_that_a_network_is_not_made_for(network):
    with pytest.raises(UserError, match=rf"variants\.v\.{network} = 'dcgan' makes images of .* pixels, not 8"):
        method_of(task(variant(**({"network": "mlp"} | {network: "dcgan"})), (8, 8, 3)))


@pytest.mark.parametrize("conditioning", ["concat", "auxiliary"])
def test_conditioning_on_images_without_classes_is_refused(conditioning):
    with pytest.raises(UserError, match="needs classes, and datasets.d has none; name the datasets that have some"):
        method_of(task(variant(conditioning=conditioning), labelled=False))


CONSTRAINED = {  # constraint: with which norm of a Wasserstein critic it trains
    "weight_clipping": {"batch", "layer", "none"},
    "unit_sphere": {"batch", "layer", "none"},
    "gradient_penalty": {"layer", "none"},
    "spectral_norm": {"none"},
    "none": set(),
}


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
@pytest.mark.parametrize("constraint", CONSTRAINED)
def test_which_constraint_goes_with_which_normalisation(constraint, norm):
    network = {"dcgan": {"width": 4, "critic_norm": norm}}
    chosen = variant(network=network, objective="wasserstein", constraint=constraint)
    if norm in CONSTRAINED[constraint]:
        one_iteration(built(chosen))
        return
    with pytest.raises(UserError, match=rf"variants\.v\.constraint = '{constraint}': .{{80,}}"):
        built(chosen)


def test_a_list_of_constraints_holds_all_of_them():
    both = [{"gradient_penalty": {"weight": 3.0}}, "spectral_norm"]
    network = {"dcgan": {"width": 4, "norm": "none"}}
    model = built(variant(network=network, objective="wasserstein", constraint=both))
    assert any(hasattr(layer, "parametrizations") for layer in model.modules["critic"].modules())
    draws = step_draws()
    loss, values = model.players[0].loss(draws)
    assert loss.item() == pytest.approx(float(values["critic_loss"] + values["penalty"]), rel=1e-6)
    assert model.summary == ("wasserstein", "gradient_penalty", "spectral_norm")
    one_iteration(model)


@pytest.mark.parametrize(
    ("constraint", "said"),
    [
        (["spectral_norm", "none"], r"constraint: a list of constraints names each once and not `none`"),
        ([{"spectral_norm": {"iterations": 2}}, "spectral_norm"], "names each once"),
        (["spectral_norm", "weight_clipping"], "constraint = 'weight_clipping': it bounds"),
        (["spectral_norm", "spectral"], "did you mean `spectral_norm`"),
    ],
)
def test_lists_of_constraints_that_make_no_sense(constraint, said):
    network = {"dcgan": {"width": 4, "norm": "none"}}
    with pytest.raises(UserError, match=said):
        built(variant(network=network, constraint=constraint))
    with pytest.raises(UserError, match=r"constraint: is empty; name at least 1|constraint"):
        built(variant(network=network, constraint=[]))


def test_only_constraints_on_weights_are_for_generators():
    with pytest.raises(UserError, match=r"generator_constraint = 'gradient_penalty': constrains critics only"):
        built(variant(generator_constraint="gradient_penalty"))


def test_a_concatenated_class_is_given_to_both_networks():
    network = {"dcgan": {"width": 4, "norm": "none", "weight_std": None}}
    model = built(variant(network=network, conditioning="concat"))
    images = model.modules["generator"](codes(torch.ones(3, 5), torch.arange(3), 3))
    assert len(images.detach().flatten(1).unique(dim=0)) == 3
    planes = model.conditioning.critic_view(images, torch.arange(3), 3)
    assert torch.equal(planes[:, :3], images)
    for extreme in (planes[:, 3:].amax((2, 3)), planes[:, 3:].amin((2, 3))):
        assert torch.equal(extreme, torch.eye(3))


def test_dequantised_images_are_the_bytes_and_noise_and_come_back_as_the_bytes():
    model = built(variant(), dequantise=True)
    bytes_ = torch.arange(256).repeat(3).reshape(1, 3, 16, 16)
    noise = torch.rand(1, 3, 16, 16)
    draws = FixedUniform(0, 0, noise)
    draws.batches = {SAMPLES: Batch(bytes_ / 127.5 - 1, lambda: torch.zeros(1, dtype=torch.int64))}
    given = model._real(draws)
    expected = 2 * (bytes_.double() / 256 - 0.5) + noise.double() / 128  # U(0, 1/128)
    assert (given - expected).abs().max() < 1e-6
    assert given.min() >= -1 - 1e-6 and given.max() < 1
    inside = (noise > 0.01) & (noise < 0.99)
    shown = torch.from_numpy(to_pixels(given * model.exports["generator"].scale)).permute(0, 3, 1, 2)
    assert torch.equal(shown[inside], bytes_.byte()[inside])


def estimate_notes(model) -> dict[str, str]:
    """{column: label} of the charts of estimates."""
    return {chart.column: chart.label for chart in model.charts if chart.figure == "estimates"}


def test_a_penalised_estimate_is_told_from_a_clipped_one():
    network, over = {"dcgan": {"width": 4, "critic_norm": "none"}}, "validation_estimate_over_gradient_norm"
    axes = {}
    for constraint in ("weight_clipping", "unit_sphere", "spectral_norm", "gradient_penalty"):
        model = built(variant(network=network, objective="wasserstein", constraint=constraint))
        notes, known = estimate_notes(model), constraint == "gradient_penalty"
        assert ("K unknown" in notes["validation_estimate"]) != known and "rough" in notes[over]
        assert ("W (1 + W / 20) at optimum" in notes["validation_estimate"]) == known
        assert model.metric_names["estimate"] == f"estimate/wasserstein times {'slope' if known else 'K'} of v"
        assert model.metric_names.get("validation_distance") == ("validation_distance/wasserstein" if known else None)
        axes[constraint] = next(c.axis for c in model.charts if c.column == "validation_estimate")
        values = model.estimates.values(torch.tensor([0.5, 2.0]), 3.0)
        assert values[over] == 1.5 and values["validation_gradient_norm_max"] == 2.0
    assert axes.pop("gradient_penalty") not in axes.values()
    plain = built(variant())
    assert "lower bound, at most 0.693" in estimate_notes(plain)["validation_estimate"]
    assert over not in estimate_notes(plain)
    assert over not in plain.estimates.values(torch.ones(2), 0.1)


def test_boosted_critic_steps():
    steps = CriticSteps(steps=5, boost=100)
    assert [steps.at(i) for i in (0, 24, 25, 499, 500, 501)] == [100, 100, 5, 5, 100, 5]
    assert {CriticSteps(steps=5).at(i) for i in range(2000)} == {5}


def test_a_generator_without_parameters_is_not_trained():
    model = built(variant(network="noised_data", objective="non_saturating"), (2,))
    assert [player.name for player in model.players] == ["critic"]
    one_iteration(model, (2,))
