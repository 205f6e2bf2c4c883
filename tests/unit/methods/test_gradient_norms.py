"""Gradient norms of critics whose gradient is known."""

import torch
from models import linear_critic

from ganflow.methods.components import Score
from ganflow.methods.gradient_norms import gradient_norms, summary


def test_gradient_norms_of_a_linear_critic():
    weight = torch.ones(12, dtype=torch.float64)
    images, epsilon = torch.randn(2, 9, 3, 2, 2, dtype=torch.float64), torch.rand(9, dtype=torch.float64)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):  # as in validation
        norms = gradient_norms(Score(linear_critic(weight)), *images, epsilon)
    assert torch.allclose(norms, torch.full((9,), 12**0.5, dtype=torch.float64), rtol=1e-12)
    assert norms.dtype == torch.float64 and not norms.requires_grad
    known = torch.arange(11, dtype=torch.float64)
    expected = {"g": 5, "g_q10": 1, "g_q50": 5, "g_q90": 9}
    assert {key: value.item() for key, value in summary(known, "g").items()} == expected
