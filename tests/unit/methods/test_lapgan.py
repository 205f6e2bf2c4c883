"""LAPGAN: pyramids, samples from all levels, details of real images, and what is refused."""

import pytest
import torch
from models import IMAGES, built, of_a_method, step_draws, task, variant

from ganflow.config import Variant
from ganflow.errors import UserError
from ganflow.methods.tasks import method_of
from ganflow.networks.codes import codes
from ganflow.networks.families.laplacian_pyramid import enlarged, pyramid_of, reduced, sides


def lapgan(method="lapgan", **changes) -> Variant:
    return variant(**of_a_method("laplacian_pyramid", "lapgan", IMAGES[0]) | {"method": method} | changes)


def test_a_pyramid_halves_down_to_eight_pixels():
    images = torch.rand(2, 3, 32, 32)
    small, middle, whole = pyramid_of(images)
    assert sides(32) == (8, 16, 32) == tuple(level.shape[-1] for level in (small, middle, whole))
    assert torch.equal(whole, images) and torch.equal(middle, reduced(images))
    assert torch.allclose(small, images.reshape(2, 3, 8, 4, 8, 4).mean((3, 5)), atol=1e-6)


def test_enlarging_keeps_what_is_linear():
    slope = torch.linspace(-1, 1, 8).expand(1, 3, 8, 8)
    inner = enlarged(slope)[..., 1:-1]
    step = 2 / 7 / 2
    assert inner.shape == (1, 3, 16, 14) and torch.allclose(inner.diff(dim=-1), torch.tensor(step), atol=1e-6)


@pytest.mark.parametrize("conditional", [False, True])
def test_a_sample_is_the_last_level_and_each_level_adds_details_to_the_one_before(conditional):
    model = built(lapgan({"lapgan": {"conditional": conditional}}))
    assert model.classes == (3 if conditional else 0)
    module = model.exports["generator"].module
    vectors = codes(step_draws().normal("latent", (4, model.latent)), torch.tensor([0, 1, 2, 0]), model.classes)
    with torch.no_grad():
        small, whole = module.levels(vectors)
        assert torch.equal(module(vectors), whole.clamp(-1, 1))
        for parameter in module.details.parameters():
            parameter.zero_()
        assert torch.equal(module.levels(vectors)[1], enlarged(small))


def test_grids_show_levels_and_what_is_made_of_held_out_images():
    model, draws = built(lapgan()), step_draws(size=8)
    levels, details = model.grids
    with torch.no_grad():
        module = model.exports["generator"].module
        shown, of_real = levels.make(module, draws), details.make(module, draws)
    assert shown.shape == (8 * 2, 3, 16, 16) and (levels.columns, details.columns) == (2, 3)
    assert torch.equal(shown[0, :, ::2, ::2], shown[0, :, 1::2, 1::2])  # 8 pixels a side
    real = draws.batch().values
    assert torch.equal(of_real[2::3], real.clamp(-1, 1))
    assert torch.allclose(of_real[::3, :, ::2, ::2], reduced(real), atol=1e-6)


@pytest.mark.parametrize(
    ("chosen", "labelled", "said"),
    [
        (
            lapgan(network={"dcgan": {}}),
            True,
            "network = 'dcgan': the method 'lapgan' does not train it; choose laplacian_pyramid",
        ),
        (lapgan("vae"), True, "'laplacian_pyramid': is trained by the method 'lapgan' alone; write `method: lapgan`"),
        (lapgan({"lapgan": {"conditional": True}}), False, "lapgan.conditional: datasets.d has no classes"),
    ],
)
def test_what_is_refused(chosen, labelled, said):
    with pytest.raises(UserError, match=r"^params\.yaml: variants\.v") as refused:
        method_of(task(chosen, labelled=labelled))
    assert said in str(refused.value)


def test_a_latent_vector_has_a_part_for_each_level():
    with pytest.raises(UserError, match=r"training\.latent = 5: .*; set the variant's training\.latent to 320"):
        built(lapgan(training={"latent": 5}))
