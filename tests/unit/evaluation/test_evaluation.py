"""Metrics that params.yaml names, images that are generated for them, and the distance on the line."""

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance
from torch import nn

from ganflow.config import Choice, Evaluation
from ganflow.errors import UserError
from ganflow.evaluation.generated_samples import generate_samples
from ganflow.evaluation.interfaces import metrics_of
from ganflow.evaluation.metrics.sliced_wasserstein import _wasserstein_1d
from ganflow.params_file import checked


@pytest.mark.parametrize("counts", [(50, 50), (50, 20), (20, 50)])
def test_distance_on_the_line_against_scipy(counts):
    draw = np.random.default_rng(0)
    one, other = (np.sort(draw.normal(i, 1 + i, (count, 3)), 0) for i, count in enumerate(counts))
    expected = np.mean([wasserstein_distance(one[:, k], other[:, k]) for k in range(3)])
    found = _wasserstein_1d(torch.from_numpy(one), torch.from_numpy(other))
    assert found == pytest.approx(expected, rel=1e-9 if counts[0] == counts[1] else 0.05)


def test_generated_images_depend_on_the_seed_alone():
    module = nn.Sequential(nn.Unflatten(1, (3, 2, 2)), nn.Tanh())
    images = generate_samples(module, 10, 12, 4, seed=0, device="cpu")
    assert images.shape == (10, 3, 2, 2) and images.dtype == torch.uint8
    assert torch.equal(images, generate_samples(module, 10, 12, 4, seed=0, device="cpu"))
    assert not torch.equal(images, generate_samples(module, 10, 12, 4, seed=1, device="cpu"))


def test_unknown_and_repeated_metrics_are_refused():
    with pytest.raises(UserError, match="did you mean `sliced_wasserstein`"):
        metrics_of(Evaluation(metrics=(Choice(name="sliced_waserstein"),)))
    with pytest.raises(UserError, match="is listed twice"):
        metrics_of(Evaluation(metrics=(Choice(name="sliced_wasserstein"),) * 2))


def test_by_batch_statistics_a_sample_is_the_same_however_many_are_asked_for():
    module = nn.Sequential(nn.Linear(4, 12), nn.BatchNorm1d(12), nn.Unflatten(1, (3, 2, 2)), nn.Tanh())

    def made(count: int) -> torch.Tensor:
        return generate_samples(module, count, 4, 16, 0, "cpu", batch_norm="batch")

    assert len(made(33)) == 33 and len(made(1)) == 1  # else one sample, normalised alone, would be grey
    assert torch.equal(made(33), made(48)[:33]) and torch.equal(made(1), made(16)[:1])
    with pytest.raises(UserError, match="evaluation: batch_norm = 'batch' needs batch_size = 2 or more"):
        checked(Evaluation, {"batch_norm": "batch", "batch_size": 1, "metrics": ["sliced_wasserstein"]}, "evaluation")
