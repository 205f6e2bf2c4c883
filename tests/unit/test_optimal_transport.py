"""Optimal transport against brute force and the closed form on the line."""

import numpy as np
import ot
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

from ganflow.evaluation.interfaces import Samples
from ganflow.evaluation.metrics.exact_em import ExactEM
from ganflow.optimal_transport import transport_plan


def test_transport_against_brute_force_and_closed_form():
    draw = np.random.default_rng(0)
    one, other = draw.normal(size=(60, 2)), draw.normal(1, 2, (60, 2))
    cost = cdist(one, other)
    rows, columns = linear_sum_assignment(cost)
    found, distance = transport_plan(one, other)
    assert distance == pytest.approx(cost[rows, columns].mean(), rel=1e-12)
    assert found.sum() == pytest.approx(1) and found.sum(0) == pytest.approx(1 / 60)
    line, longer = draw.normal(size=(50, 1)), draw.normal(2, 1, (80, 1))
    assert transport_plan(line, longer)[1] == pytest.approx(wasserstein_distance(line[:, 0], longer[:, 0]), rel=1e-9)


@pytest.mark.parametrize(
    ("draws", "most", "others", "size", "pairs"),
    [(2, 25, 60, 25, 2), (3, 100, 60, 20, 3), (3, 100, 45, 20, 2), (2, 100, 11, 11, 1), (100, 5, 60, 1, 60)],
)
def test_exact_em_is_the_mean_over_disjoint_pairs(draws, most, others, size, pairs):
    draw = np.random.default_rng(0)
    one, other = draw.normal(size=(60, 2)), draw.normal(1, 2, (others, 2))
    sets = [slice(size * pair, size * (pair + 1)) for pair in range(pairs)]
    # The real points are in sets of their own size, of which a smaller set of samples meets the first points.
    known = [one[part] for part in sets] if size < others else [one[:size]]
    expected = [ot.emd2([], [], cdist(a, other[part])) for a, part in zip(known, sets, strict=True)]
    metric = ExactEM(max_points=most, draws=draws)
    left, right = (Samples(torch.from_numpy(points)) for points in (one, other))
    found = metric.score(metric.prepare(left), left, right)
    assert found["exact_em"] == pytest.approx(np.mean(expected), rel=1e-9)
    if pairs == 1:
        assert "exact_em_std" not in found
    else:
        assert found["exact_em_std"] == pytest.approx(np.std(expected, ddof=1), rel=1e-9)


def test_the_floor_of_exact_em_is_that_of_independent_draws():
    draw = torch.Generator().manual_seed(0)
    real, held_out = (Samples(torch.randn(2000, 1, generator=draw)) for _ in range(2))
    metric = ExactEM(max_points=100, draws=20)
    floor = metric.score(metric.prepare(real), real, held_out)
    pairs = [wasserstein_distance(*np.random.default_rng(n).normal(size=(2, 100))) for n in range(500)]
    assert floor["exact_em"] == pytest.approx(np.mean(pairs), abs=3 * np.std(pairs) / 20**0.5)
    assert floor["exact_em_std"] == pytest.approx(np.std(pairs), rel=0.5)
