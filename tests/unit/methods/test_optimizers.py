"""Optimisers against their formulas in float64."""

import numpy as np
import pytest
import torch
from torch import nn, optim

from ganflow.methods.optimizers.adam import Adam
from ganflow.methods.optimizers.rmsprop import RMSProp
from ganflow.methods.optimizers.rmsprop_tf1 import RMSPropTF1


def test_rmsprop_of_tensorflow_1_against_its_formula():
    """ApplyRMSProp without momentum: ms += (g^2 - ms) (1 - rho), var -= lr g / sqrt(ms + epsilon), ms from 1."""
    weight = nn.Parameter(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64))
    optimizer = RMSPropTF1(lr=0.1).build([weight], "critic")
    expected, square = weight.detach().numpy().copy(), np.ones(3)
    for step in range(20):
        gradient = np.array([1e-3, np.sin(step), 5.0])
        weight.grad = torch.from_numpy(gradient)
        optimizer.step()
        square += (gradient**2 - square) * (1 - 0.9)
        expected -= 0.1 * gradient / np.sqrt(square + 1e-10)
        assert np.allclose(weight.detach().numpy(), expected, rtol=1e-12)


def test_rmsprop_is_torchs():
    weights = [nn.Parameter(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)) for _ in range(2)]
    ours, torchs = RMSProp(lr=0.1).build(weights[:1], "critic"), optim.RMSprop(weights[1:], lr=0.1)
    for step in range(500):
        for optimizer, weight in zip((ours, torchs), weights, strict=True):
            optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)
            weight.grad = torch.tensor([1e-3, np.sin(step), 0.0 if step < 3 else 5.0], dtype=torch.float64)
            optimizer.step()
        torch.testing.assert_close(weights[0], weights[1], rtol=1e-12, atol=0)


@pytest.mark.parametrize("decoupled", [False, True])
def test_weight_decay_is_of_the_critic_alone(decoupled):
    adam = Adam(lr=0.1, betas=(0.0, 0.9), critic_weight_decay=0.01, decoupled=decoupled)
    after = {}
    for trains in ("generator", "critic"):
        weight = nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
        optimizer = adam.build([weight], trains)
        for slope in (0.3, -0.1):
            weight.grad = torch.tensor([slope], dtype=torch.float64)
            optimizer.step()
        after[trains] = weight.item()
    for trains, decay in (("generator", 0.0), ("critic", 0.01)):
        w, second = 2.0, 0.0
        for step, slope in enumerate((0.3, -0.1), 1):
            w *= 1 - 0.1 * decay if decoupled else 1
            g = slope + (0 if decoupled else decay * w)
            second = 0.9 * second + 0.1 * g**2
            w -= 0.1 * g / ((second / (1 - 0.9**step)) ** 0.5 + 1e-8)
        assert after[trains] == pytest.approx(w, rel=1e-12)
