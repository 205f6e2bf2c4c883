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
    metric = ExactEM(max_points=50)
    left, right = (Samples(torch.from_numpy(points)) for points in (one, other))
    score = metric.score(metric.prepare(left), left, right)["exact_em"]
    assert score == pytest.approx(ot.emd2([], [], cdist(one[:50], other[:50])), rel=1e-9)
