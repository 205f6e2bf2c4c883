"""The Fréchet distance: against SciPy's matrix square root, torch-fidelity and closed forms, and its properties."""

import numpy as np
import pytest
import torch
from feature_sets import SIDE, normal, rotation, scores
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from torch import Tensor
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from ganflow.evaluation.metrics import frechet_distance as frechet
from ganflow.evaluation.metrics.frechet_distance import FrechetDistance, moments

seeds = st.integers(0, 2**32 - 1)
counts = st.integers(2, 80)  # from fewer samples than features to more


def distance(real: Tensor, generated: Tensor) -> float:
    return scores(FrechetDistance(), real, generated)["frechet_distance"]


def by_square_root(real: Tensor, generated: Tensor) -> float:
    """Heusel et al., equation 6, letter by letter."""
    (m, c), (m_w, c_w) = ((x.mean(0), np.cov(x, rowvar=False)) for x in (generated.numpy(), real.numpy()))
    return float(np.sum((m - m_w) ** 2) + np.trace(c + c_w - 2 * sqrtm(c @ c_w).real))


def pair(real: int, generated: int, seed: int, decades: float = 1) -> tuple[Tensor, Tensor]:
    """Two sets whose covariances' eigenvalues span so many decades, along one set of axes and off it."""
    scale, axes = torch.logspace(0, -decades / 2, SIDE, dtype=torch.float64), rotation(SIDE, seed)
    one = normal(real, SIDE, seed=seed) * scale @ axes + 1
    return one, 1.3 * normal(generated, SIDE, seed=seed + 1) * scale @ axes + 0.2 * normal(SIDE, seed=seed + 2)


@pytest.mark.parametrize("decades", [0, 6, 12])
@pytest.mark.parametrize("count", [(300, 200), (SIDE + 1, SIDE + 1), (SIDE, SIDE + 1), (10, 300), (300, 10), (10, 12)])
def test_frechet_distance_against_the_matrix_square_root(count, decades):
    real, generated = pair(*count, seed=7, decades=decades)
    assert distance(real, generated) == pytest.approx(by_square_root(real, generated), rel=1e-6)


def test_frechet_distance_of_known_covariances():
    """Diagonal ones have it in closed form: the squared difference of deviations, over 12 decades of variance."""
    base = torch.linalg.qr(torch.cat([torch.ones(200, 1).double(), normal(200, SIDE)], 1)).Q[:, 1:] * 199**0.5
    one, other = torch.logspace(0, -6, SIDE, dtype=torch.float64), torch.logspace(-1, -3, SIDE, dtype=torch.float64)
    expected = float((one - other).square().sum())
    assert distance(base * one, base * other) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("count", [(300, 10), (10, 300), (12, 10)])
def test_frechet_distance_of_few_samples_without_a_covariance(count):
    """By singular values of the product of QR factors: square roots of null directions are not in it."""
    real, generated = pair(*count, seed=3, decades=6)
    means, factors = [x.mean(0) for x in (real, generated)], []
    for x, mean in zip((real, generated), means, strict=True):
        factors.append(torch.linalg.qr((x - mean) / (len(x) - 1) ** 0.5, mode="r").R)
    traces = sum(factor.square().sum() for factor in factors)
    expected = (means[0] - means[1]).square().sum() + traces - 2 * torch.linalg.svdvals(factors[0] @ factors[1].T).sum()
    assert distance(real, generated) == pytest.approx(float(expected), rel=1e-8)


def test_frechet_distance_of_two_pairs():
    """A pair's covariance has one axis, so the square root's trace is the product of the axes."""
    one, other = pair(2, 2, seed=0)
    ends = (one[0] - one[1]) / 2**0.5, (other[0] - other[1]) / 2**0.5
    squares = (one.mean(0) - other.mean(0)).square().sum() + sum(end.square().sum() for end in ends)
    assert distance(one, other) == pytest.approx(float(squares - 2 * (ends[0] @ ends[1]).abs()), rel=1e-12)


def test_frechet_distance_against_torch_fidelity():
    real, generated = (x.float() for x in pair(300, 200, seed=1))
    one, other = (fid_features_to_statistics(x) for x in (real, generated))
    expected = fid_statistics_to_metric(one, other, False)["frechet_inception_distance"]
    assert distance(real, generated) == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_to_constant_features():
    real, constant = normal(100, SIDE), torch.full((50, SIDE), 2.0)
    expected = float((real.mean(0) - 2).square().sum() + torch.cov(real.T).trace())
    for count in (50, 5):
        assert distance(real, constant[:count]) == pytest.approx(expected, rel=1e-12)
        assert distance(constant[:count], real) == pytest.approx(expected, rel=1e-12)
    assert distance(constant, constant) == 0


@settings(max_examples=30, deadline=None)
@given(counts, counts, seeds)
def test_frechet_distance_is_symmetric(real, generated, seed):
    one, other = pair(real, generated, seed)
    assert distance(one, other) == pytest.approx(distance(other, one), rel=1e-7)


@settings(max_examples=30, deadline=None)
@given(counts, seeds, st.floats(0, 12))
def test_frechet_distance_of_a_set_to_itself_is_nothing(count, seed, decades):
    one, _ = pair(count, 2, seed, decades)
    assert distance(one, one) <= 1e-7 * float(one.var(0).sum())


@settings(max_examples=30, deadline=None)
@given(counts, counts, seeds)
def test_frechet_distance_is_the_same_after_a_rotation(real, generated, seed):
    (one, other), turn = pair(real, generated, seed), rotation(SIDE, seed + 3)
    assert distance(one @ turn, other @ turn) == pytest.approx(distance(one, other), rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(counts, seeds)
def test_frechet_distance_of_a_translation_is_its_square(count, seed):
    one, way = pair(count, 2, seed)[0], normal(SIDE, seed=seed + 3)
    assert distance(one, one + way) == pytest.approx(float(way @ way), rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 900), min_size=1, max_size=12), seeds)
def test_moments_are_the_same_bits_however_rows_are_batched(sizes, seed):
    rows = normal(5000, 5, seed=seed, dtype=torch.float32) + 100
    cuts = torch.tensor(sizes).cumsum(0)
    batched = moments(rows.tensor_split(cuts))
    assert all(torch.equal(found, whole) for found, whole in zip(batched, moments([rows]), strict=True))


@pytest.mark.parametrize("batch", [1, frechet.BLOCK - 1, frechet.BLOCK, frechet.BLOCK + 1, 2 * frechet.BLOCK])
def test_moments_are_numpys(batch):
    rows = normal(2 * frechet.BLOCK + 7, 5) + 1e6  # a sum of squares would lose the covariance's digits
    kept = rows.clone()
    mean, covariance = moments(rows.split(batch))
    assert torch.equal(rows, kept)
    np.testing.assert_allclose(mean, rows.numpy().mean(0), rtol=1e-14)
    np.testing.assert_allclose(covariance, np.cov(rows.numpy() - 1e6, rowvar=False), atol=1e-9)
