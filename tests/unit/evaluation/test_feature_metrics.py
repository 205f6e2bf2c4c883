"""Metrics of features: against torch-fidelity and literal float64 transcriptions of the papers, and the properties
that their definitions have."""

import numpy as np
import pytest
import torch
from feature_sets import SIDE, normal, scores
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from ganflow.errors import UserError
from ganflow.evaluation.interfaces import Samples
from ganflow.evaluation.metrics.classes import Classes
from ganflow.evaluation.metrics.classifier_score import ClassifierScore
from ganflow.evaluation.metrics.duplicates import Duplicates
from ganflow.evaluation.metrics.frechet_distance import FrechetDistance
from ganflow.evaluation.metrics.kernel_distance import KernelDistance
from ganflow.evaluation.metrics.manifold import Manifold

seeds = st.integers(0, 2**32 - 1)


MANY = Samples(features=normal(100, 30), logits=normal(100, 30, seed=1), labels=torch.arange(100) % 5)


@pytest.mark.parametrize("size", [150, 20])  # kernels of all samples, or of each subset
def test_kernel_distance_is_torch_fidelitys(size):
    real, generated = normal(300, SIDE), normal(200, SIDE, seed=1) + 0.1
    found = scores(KernelDistance(subsets=7, subset_size=size), real, generated)
    expected = kid_features_to_metric(generated, real, kid_subsets=7, kid_subset_size=size, verbose=False)
    assert list(found.values()) == pytest.approx(
        [expected[f"kernel_inception_distance_{key}"] for key in ("mean", "std")], rel=1e-9
    )
    assert scores(KernelDistance(subsets=1), real, generated) == scores(
        KernelDistance(subsets=1, subset_size=200), real, generated
    )


def test_kernel_distance_against_its_formula():
    real, generated = normal(40, SIDE), normal(40, SIDE, seed=1) + 0.3
    x, y = generated.numpy(), real.numpy()  # one subset of all samples is a permutation

    def k(a, b):
        return (a @ b.T / SIDE + 1) ** 3

    within = sum((k(a, a).sum() - np.trace(k(a, a))) / (40 * 39) for a in (x, y))
    found = scores(KernelDistance(subsets=1), real, generated)
    assert found["kernel_distance"] == pytest.approx(within - 2 * k(x, y).mean(), rel=1e-9)
    assert found["kernel_distance_std"] == 0


def test_classifier_score_is_torch_fidelitys_and_its_formulas():
    logits = 3 * normal(205, 10, dtype=torch.float32)
    metric, real = ClassifierScore(), Samples(features=normal(2, SIDE))
    found = metric.score({}, real, Samples(logits=logits))
    expected = isc_features_to_metric(logits)
    theirs = [expected[f"inception_score_{key}"] for key in ("mean", "std")]
    assert list(found.values()) == pytest.approx(theirs, rel=1e-12)
    p = torch.softmax(logits.double(), 1).numpy()
    whole = np.exp((p * np.log(p / p.mean(0))).sum(1).mean())
    once = ClassifierScore(splits=1).score({}, real, Samples(logits=logits))
    assert once["classifier_score"] == pytest.approx(whole, rel=1e-9)
    sure = 1000 * torch.eye(10).repeat(10, 1)
    assert ClassifierScore(splits=1).score({}, real, Samples(logits=sure))["classifier_score"] == pytest.approx(10)


def manifold(real: Tensor, generated: Tensor) -> dict[str, float]:
    return scores(Manifold(), real, generated)


def literally(real: Tensor, generated: Tensor) -> dict[str, float]:
    """Kynkaanniemi et al., equations 1 and 2; Naeem et al., section 3."""
    x, y = real.double().numpy(), generated.double().numpy()

    def between(a, b):
        return np.sqrt(((a[:, None] - b[None]) ** 2).sum(2))

    def nnd(a, k):
        return np.sort(between(a, a), 1)[:, k]  # column 0 is the sample itself

    d = between(x, y)  # (n, m)
    n, m = d.shape
    inside = [[d[i, j] <= nnd_i for j in range(m)] for i, nnd_i in enumerate(nnd(x, 5))]
    return {
        "precision": sum(any(d[:, j] <= nnd(x, 3)) for j in range(m)) / m,
        "recall": sum(any(d[i] <= nnd(y, 3)) for i in range(n)) / n,
        "density": sum(inside[i][j] for i in range(n) for j in range(m)) / (5 * m),
        "coverage": sum(any(inside[i]) for i in range(n)) / n,
    }


@pytest.mark.parametrize("count", [(120, 120), (150, 60), (60, 120)])
def test_manifold_against_the_papers_formulas(count):
    real, generated = normal(count[0], 8, dtype=torch.float32), normal(count[1], 8, seed=1, dtype=torch.float32) + 0.7
    found = manifold(real, generated)
    assert found == literally(real, generated)
    assert all(0.05 < value < 0.995 for name, value in found.items() if name != "density"), "a test that sees nothing"


@pytest.mark.parametrize("count", [(1500, 1200), (300, 1500)])
def test_precision_and_recall_are_torch_fidelitys(count):
    real, generated = normal(count[0], 16, dtype=torch.float32), 0.9 * normal(count[1], 16, seed=1, dtype=torch.float32)
    found, expected = manifold(real, generated), prc_features_to_metric(generated, real, verbose=False)
    assert found["precision"] == pytest.approx(expected["precision"], abs=1e-7)
    assert found["recall"] == pytest.approx(expected["recall"], abs=1e-7)
    assert 0.05 < found["recall"] < 0.995


@settings(max_examples=20, deadline=None)
@given(st.integers(6, 60), st.integers(6, 60), seeds)
def test_precision_and_recall_change_places_with_the_sets(real, generated, seed):
    one, other = normal(real, 4, seed=seed), 0.7 * normal(generated, 4, seed=seed + 1)
    there, back = manifold(one, other), manifold(other, one)
    assert (there["precision"], there["recall"]) == (back["recall"], back["precision"])


@settings(max_examples=20, deadline=None)
@given(st.integers(6, 60), st.sampled_from([0.0, 1000.0]), seeds)
def test_a_set_covers_itself(count, offset, seed):
    one = normal(count, 12, seed=seed) + offset
    assert manifold(one, one) == {"precision": 1, "recall": 1, "density": 6 / 5, "coverage": 1}


@pytest.mark.slow
def test_repeats_of_fresh_samples_are_as_rare_as_the_quantile():
    real, fresh = normal(4000, 6), normal(4000, 6, seed=1)
    for quantile in (0.01, 0.1):
        found = scores(Duplicates(quantile=quantile), real, fresh)
        spread = 5 * (quantile / 4000) ** 0.5  # a nearest pair is counted twice
        assert all(value == pytest.approx(quantile, abs=spread) for value in found.values())


def test_repeats_count_copies():
    real, fresh = normal(1000, 6), normal(1000, 6, seed=1)
    fresh[:300] = real[-300:]
    fresh[500:700] = fresh[700:900]
    before, found = scores(Duplicates(), real, normal(1000, 6, seed=1)), scores(Duplicates(), real, fresh)
    assert found["training_copies"] == pytest.approx(0.3, abs=before["training_copies"] + 1e-9)
    assert found["near_duplicates"] == pytest.approx(0.4, abs=before["near_duplicates"] + 1e-9)
    assert found["training_copies"] >= 0.3 and found["near_duplicates"] >= 0.4


@pytest.mark.parametrize("count", [(200, 80), (80, 200)])
def test_repeats_against_their_definition(count):
    real, generated = normal(count[0], 3), 0.5 * normal(count[1], 3, seed=1)
    x, y = real.numpy(), generated.numpy()

    def nearest(a, b):
        d = np.sqrt(((a[:, None] - b[None]) ** 2).sum(2))
        if a is b:
            np.fill_diagonal(d, np.inf)
        return d.min(1)

    first = y[: min(count)], x[: min(count)]
    assert scores(Duplicates(quantile=0.2), real, generated) == {
        "near_duplicates": np.mean(nearest(first[0], first[0]) <= np.quantile(nearest(first[1], first[1]), 0.2)),
        "training_copies": np.mean(nearest(y, x) <= np.quantile(nearest(x, x), 0.2)),
    }


@pytest.mark.parametrize(
    ("metric", "count"),
    [(FrechetDistance(), 1), (KernelDistance(), 1), (ClassifierScore(), 9), (Manifold(), 3), (Duplicates(), 1)],
)
def test_too_few_samples_are_refused(metric, count):
    few = MANY.take(slice(count))
    prepared = metric.prepare(MANY)
    with pytest.raises(UserError, match=str(count)):
        metric.score(prepared, MANY, few)


@pytest.mark.parametrize(
    ("metric", "count"), [(FrechetDistance(), 1), (Manifold(), 5), (Duplicates(), 1), (Classes(), 14)]
)
def test_too_few_real_samples_are_refused(metric, count):
    with pytest.raises(UserError, match=str(count)):
        metric.prepare(MANY.take(slice(count)))
