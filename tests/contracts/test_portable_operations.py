"""No training runs an operation of torch whose bits depend on the CPU or the C library, and what runs instead is
rounded as IEEE 754 has it."""

import numpy as np
import pytest
import torch
from models import IMAGES, built, one_iteration
from operations import portable_operations_only
from portable_runs import components
from torch.nn.functional import batch_norm
from torch.nn.functional import softplus as torchs_softplus

from ganflow.config import Variant
from ganflow.portable_operations import log, softplus, sqrt

VARIANTS = components(1)["variants"]


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_trainings_run_portable_operations_only(name):
    chosen = Variant.model_validate(VARIANTS[name])
    [dataset] = chosen.datasets
    side = int(dataset.rpartition("_")[2]) if dataset.startswith("rendered_") else 0
    shape = (side, side, IMAGES[2]) if side else (2,)
    with portable_operations_only():
        one_iteration(built(chosen, shape), shape)


@pytest.mark.parametrize(
    "run",
    [
        lambda x: x.abs().sqrt(),
        lambda x: torch.cdist(x, x),
        torchs_softplus,
        lambda x: x.double().abs().log(),
        lambda x: batch_norm(x.expand(4, 4, 4).transpose(0, 2)[:, :, 1:], torch.ones(4), torch.ones(4)),
    ],
    ids=["sqrt", "cdist", "softplus", "log of float64", "a root inside batch norm"],
)
def test_the_others_are_found(run):
    with pytest.raises(AssertionError, match="depend on the CPU"), portable_operations_only():
        run(torch.randn(4, 4))


def test_logarithms_of_float32_are_portable():
    with portable_operations_only():
        torch.rand(4, 4).log()


@pytest.fixture
def values() -> torch.Tensor:
    """A million values of float32 over its range, both ends and zero among them."""
    draw = np.random.default_rng(0)
    found = (draw.random(1 << 20) * 10.0 ** draw.integers(-38, 38, 1 << 20)).astype(np.float32)
    found[:4] = 0, np.finfo(np.float32).smallest_subnormal, np.finfo(np.float32).max, np.inf
    return torch.from_numpy(found)


def test_roots_are_rounded_by_ieee_754(values):
    assert np.array_equal(sqrt(values).numpy(), np.sqrt(values.numpy()))
    with np.errstate(divide="ignore"):
        expected = 1 / (1 / np.sqrt(values.double().numpy()))
    assert np.array_equal(sqrt(values.double()).numpy(), expected)
    assert np.allclose(expected, np.sqrt(values.double().numpy()), rtol=4e-16, atol=0)


def test_functions_and_their_gradients_are_torchs():
    for ours, theirs, x in (
        (sqrt, torch.sqrt, torch.linspace(0.01, 50, 999, dtype=torch.float64)),
        (log, torch.log, torch.linspace(0.01, 50, 999, dtype=torch.float64)),
        (softplus, lambda x: torch.log(1 + torch.exp(x)), torch.linspace(-20, 20, 999, dtype=torch.float64)),
    ):
        x.requires_grad_()
        for order in range(2):
            one, other = ours(x), theirs(x)
            for _ in range(order):
                one, other = (torch.autograd.grad(y.sum(), x, create_graph=True)[0] for y in (one, other))
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)
        assert torch.autograd.gradgradcheck(ours, x[::100].detach().requires_grad_())
