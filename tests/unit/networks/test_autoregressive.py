"""Autoregressive networks: what a value depends on, samples, likelihoods, and their papers' equations."""

import numpy as np
import pytest
import torch
from scipy.stats import logistic
from torch.nn.functional import conv1d, conv2d

from ganflow.errors import UserError
from ganflow.networks.autoregressive import (
    Autoregressive,
    AutoregressiveNetwork,
    logistic_distribution_function,
    logistic_mixture,
)
from ganflow.networks.building import initialise
from ganflow.networks.families.pixelcnn import PixelCNN
from ganflow.networks.families.pixelrnn import PixelRNN
from ganflow.tensor_files import save_tensors
from ganflow.training.weights import load_export

SIDE = 4
FAMILIES = [PixelCNN(width=2, layers=2), PixelRNN(width=2, layers=2)]
LOGISTIC = [family.model_copy(update={"likelihood": "logistic", "mixtures": 2}) for family in FAMILIES]
families = pytest.mark.parametrize(
    "family", FAMILIES + LOGISTIC, ids=lambda found: f"{type(found).__name__}-{found.likelihood}"
)


def density(family: AutoregressiveNetwork, classes: int = 0) -> Autoregressive:
    """A density of images of SIDE pixels, float64, with random biases too."""
    found = initialise(family, family.density(SIDE, classes), 0, "density").double()
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return found


def images(count: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, SIDE, SIDE)).double() / 127.5 - 1


def parameters(module: Autoregressive, x: torch.Tensor, classes: torch.Tensor | None = None) -> torch.Tensor:
    """(n, h, w, 3, outputs)."""
    classes = x.new_zeros(len(x), 0) if classes is None else classes
    return module.head(module.across(x.movedim(1, -1), module.above(x, classes))).unflatten(-1, (3, module.outputs))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda found: type(found).__name__)
def test_a_value_depends_on_all_values_before_it_and_on_none_after(family):
    module, x = density(family.model_copy(update={"width": 8})), images(5).requires_grad_()
    found = parameters(module, x)
    for place in np.ndindex(SIDE, SIDE, 3):  # row, column, colour: the order of values
        [gradient] = torch.autograd.grad(found[:, *place].square().sum(), x, retain_graph=True)
        used = gradient.movedim(1, -1).abs().sum(0)
        before = torch.arange(SIDE * SIDE * 3) < np.ravel_multi_index(place, (SIDE, SIDE, 3))
        assert torch.equal(used.flatten() > 0, before), place


@families
def test_a_sample_is_the_least_value_whose_distribution_function_reaches_its_number(family):
    module, latent = density(family, classes=2), torch.randn(3, 3 * SIDE**2).double()
    classes = torch.eye(2)[[0, 1, 1]].double()
    with torch.no_grad():
        x = module(torch.cat([latent, classes], 1))
        every = (
            torch.stack(
                [
                    module._log_probabilities(parameters(module, x, classes), torch.full((3, SIDE, SIDE, 3), level))
                    for level in range(256)
                ],
                -1,
            )
            .exp()
            .movedim(3, 1)
        )
    reached = every.cumsum(-1)
    assert torch.allclose(reached[..., -1], torch.ones(()).double(), atol=1e-9)
    value = ((x + 1) * 127.5).round().long()[..., None]
    wanted = torch.special.ndtr(latent).reshape(3, 3, SIDE, SIDE, 1)
    assert (reached.gather(-1, value) > wanted - 1e-6).all()
    assert (reached.gather(-1, value) - every.gather(-1, value) < wanted + 1e-6).all()
    assert len(value.unique()) > 30


@families
def test_bits_are_an_independent_count_over_the_chain_of_values(family):
    """Each value's probability comes from a pass of its own, in which all later values are noise."""
    module, x = density(family), images(2)
    with torch.no_grad():
        found, total = module.log_likelihood(x, torch.zeros(2, 0).double()), torch.zeros(2).double()
        for row, column, colour in np.ndindex(SIDE, SIDE, 3):
            given = images(2).movedim(1, -1).reshape(2, -1)
            known = np.ravel_multi_index((row, column, colour), (SIDE, SIDE, 3))
            given[:, :known] = x.movedim(1, -1).reshape(2, -1)[:, :known]
            at = parameters(module, given.reshape(2, SIDE, SIDE, 3).movedim(-1, 1))[:, row, column, colour]
            value = ((x[:, colour, row, column] + 1) * 127.5).round().long()
            if family.likelihood == "softmax":
                weights = at.exp()
                total += (weights[torch.arange(2), value] / weights.sum(1)).log()
            else:
                total += torch.from_numpy(reference(*at.chunk(3, dim=1), value)).log()
    assert torch.allclose(found, total, rtol=1e-10)


def reference(logits, means, log_scales, values) -> np.ndarray:
    """The probabilities of values (n,) under mixtures (n, k), by scipy's distribution functions."""
    logits, means, log_scales = (np.asarray(part) for part in (logits, means, log_scales))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    centre = np.asarray(values)[:, None] / 127.5 - 1
    upper, lower = (logistic.cdf(centre + step, means, np.exp(log_scales)) for step in (1 / 255, -1 / 255))
    upper, lower = np.where(centre >= 1, 1, upper), np.where(centre <= -1, 0, lower)
    return (shares * (upper - lower)).sum(1)


def test_mixtures_of_logistic_distributions_are_scipys_and_sum_to_one():
    draw = torch.Generator().manual_seed(1)
    logits, means, scales = (torch.randn(256, 3, generator=draw).double() for _ in range(3))
    values = torch.arange(256)
    found = logistic_mixture(logits, means, scales - 3, values)
    np.testing.assert_allclose(found.exp(), reference(logits, means, scales - 3, values), rtol=1e-9, atol=1e-15)
    one = [part[:1].expand(256, 3) for part in (logits, means, scales - 3)]
    assert float(logistic_mixture(*one, values).exp().sum()) == pytest.approx(1, abs=1e-12)
    below = logistic_distribution_function(*(part[:1] for part in one))[0, :-1]
    np.testing.assert_allclose(below, logistic_mixture(*one, values).exp().cumsum(0)[:-1], atol=1e-12)


@pytest.mark.parametrize("log_scale", [-40.0, -7.0, 3.0])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_far_values_and_small_scales_have_finite_gradients_in_float32(value, log_scale):
    settings = [torch.tensor([[0.5]]), torch.tensor([[-1.0]]), torch.tensor([[log_scale]])]
    settings = [part.requires_grad_() for part in settings]
    found = logistic_mixture(*settings, torch.tensor([value]))
    found.sum().backward()
    assert found.isfinite().all() and all(part.grad.isfinite().all() for part in settings)


def test_gated_pixelcnn_is_its_papers_equations():
    """Both stacks with whole kernels whose masked taps are 0 (arXiv 1606.05328, section 2.1 to 2.3, equation 4)."""
    family = FAMILIES[0]
    module, x, classes = density(family, classes=2), images(3), torch.eye(2).double()[[0, 1, 1]]
    width = 3 * family.width

    def gate(values):
        return torch.tanh(values[:, :width]) * torch.sigmoid(values[:, width:])

    v, h = x, x
    for layer in module.layers:
        size = 7 if layer.first else 3
        kernel = torch.zeros(2 * width, v.shape[1], size, size).double()
        rows = layer.down.kernel_size[0]
        kernel[:, :, size // 2 - rows + (not layer.first) : size // 2 + (not layer.first)] = layer.down.weight
        vertical = conv2d(v, kernel, layer.down.bias, padding=size // 2)
        row = conv2d(vertical, layer.to_row.weight[..., None, None], layer.to_row.bias)
        given = classes @ layer.condition.weight.T
        vertical = vertical + given[:, : 2 * width, None, None]
        kernel = torch.zeros(2 * width, h.shape[1], 1, size).double()
        kernel[..., : size // 2 + 1] = (layer.right.weight * layer.right.mask).reshape(2 * width, h.shape[1], 1, -1)
        found = conv2d(h, kernel, layer.right.bias, padding=(0, size // 2)) + row + given[:, 2 * width :, None, None]
        v, found = gate(vertical), gate(found)
        out = conv2d(found, (layer.out.weight * layer.out.mask)[..., None, None], layer.out.bias)
        h = out if layer.first else out + h
    assert torch.allclose(module.across(x.movedim(1, -1), module.above(x, classes)), h.movedim(1, -1), rtol=1e-12)


def test_row_lstm_is_its_papers_equations():
    """Row by row (arXiv 1601.06759, equation 3): gates of the row and of the state above, a cell, and a state."""
    family = FAMILIES[1]
    module, x, classes = density(family, classes=2), images(3), torch.eye(2).double()[[0, 1, 1]]
    size = 3 * family.width
    kernel = torch.zeros(2 * size, 3, 7, 7).double()
    kernel[:, :, :3], kernel[:, :, 3, :4] = (
        module.down.weight,
        (module.right.weight * module.right.mask).reshape(-1, 3, 4),
    )
    features = conv2d(x, kernel, module.down.bias + module.right.bias, padding=3)
    features = features + (classes @ module.condition.weight.T)[..., None, None]
    for layer in module.layers:
        state, cell, rows = torch.zeros(3, size, SIDE).double(), torch.zeros(3, size, SIDE).double(), []
        weight = (layer.input_to_state.weight * layer.input_to_state.mask).reshape(4 * size, 2 * size, 2)
        for row in features.unbind(2):
            padded = torch.cat([torch.zeros(3, 2 * size, 1).double(), row], 2)
            gates = conv1d(padded, weight, layer.input_to_state.bias)
            gates = gates + conv1d(state, layer.state_to_state.weight, padding=1)
            out, forget, enter = (part.sigmoid() for part in gates[:, : 3 * size].chunk(3, 1))
            cell = forget * cell + enter * gates[:, 3 * size :].tanh()
            state = out * cell.tanh()
            rows.append(row + conv1d(state, (layer.out.weight * layer.out.mask)[..., None], layer.out.bias))
        features = torch.stack(rows, 2)
    assert torch.allclose(
        module.across(x.movedim(1, -1), module.above(x, classes)), features.movedim(1, -1), rtol=1e-12
    )


@pytest.mark.parametrize("family", FAMILIES, ids=lambda found: type(found).__name__)
def test_a_latent_vector_has_a_number_for_each_value(family):
    with pytest.raises(UserError, match=r"training\.latent = 64: .* set the variant's training\.latent to 192"):
        family.generator(8, 64)


def test_a_file_that_claims_the_critic_of_a_density_is_refused_in_a_sentence(tmp_path):
    about = {"module": "critic", "iteration": 1, "network": {"name": "pixelcnn", "settings": {"width": 1, "layers": 1}}}
    about |= {"part": "critic", "arguments": {"resolution": 8}, "takes": "samples", "gives": "scores", "scale": 1.0}
    about |= {"dataset": "d", "variant": "v", "seed": 0, "shape": [8, 8, 3], "latent": 192, "classes": 0}
    save_tensors(path := tmp_path / "critic.safetensors", {"weight": torch.zeros(1)}, about | {"data": "0" * 64})
    with pytest.raises(UserError, match=r"critic\.safetensors: its weights do not match the network in its"):
        load_export(path)
