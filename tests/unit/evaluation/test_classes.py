"""Classes by linear discriminant analysis: against scikit-learn, and their definitions."""

import numpy as np
import pytest
import torch
from feature_sets import normal, rotation

from ganflow.evaluation.interfaces import Samples
from ganflow.evaluation.metrics.classes import Classes


@pytest.fixture(scope="module")
def blobs() -> Samples:
    """Five overlapping classes of unequal shares, in 30 dimensions of unequal scale."""
    labels = torch.arange(2000).remainder(7).clamp_max(4)
    centres, scale = 0.4 * normal(5, 30, seed=3), torch.logspace(0.5, -1, 30, dtype=torch.float64)
    features = ((centres[labels] + normal(2000, 30, seed=4)) * scale) @ rotation(30, 5)
    return Samples(features=features.float(), labels=labels + 10)


def classes(real: Samples, samples: Samples, components: int = 64) -> dict[str, float]:
    metric = Classes(components=components)
    return metric.score(metric.prepare(real), real, samples)


@pytest.mark.parametrize("components", [64, 12])
def test_classes_are_those_of_linear_discriminant_analysis(blobs, components):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    real, fresh = blobs.take(slice(1000)), blobs.take(slice(1000, None))
    metric = Classes(components=components)
    prepared = metric.prepare(real)
    assert prepared["whitening"].shape == (30, min(components, 30))
    found, distance = metric.classified(prepared, fresh.features)
    x, y = (samples.features.double().numpy() for samples in (real, fresh))
    axes = np.linalg.svd(x - x.mean(0), full_matrices=False)[2][:components].T
    expected = LinearDiscriminantAnalysis(solver="svd", tol=1e-12).fit(x @ axes, real.labels.numpy())
    prior = np.log(expected.priors_)
    decision = (expected.decision_function(y @ axes) - prior) * (1000 - 5) / 1000 + prior  # its covariance is over n
    assert np.array_equal(found.numpy(), decision.argmax(1))
    accuracy = float((found + 10 == fresh.labels).double().mean())
    assert 0.5 < accuracy < 0.98, "a test that sees nothing"
    within = (x - expected.means_[real.labels.numpy() - 10] @ axes.T) @ axes  # about the classes' means
    away = y @ axes - expected.means_[found.numpy()]
    inverse = np.linalg.inv(within.T @ within / (1000 - 5))
    np.testing.assert_allclose(distance.square(), np.einsum("ni,ij,nj->n", away, inverse, away), rtol=1e-8)


def test_real_samples_are_of_high_quality_and_miss_nothing(blobs):
    found = classes(blobs, blobs)
    assert found["missed_classes"] == 0 and found["class_kl"] == 0
    assert found["high_quality_samples"] == pytest.approx(0.95, abs=1e-3)
    metric = Classes()
    assert metric.prepare(blobs.take(slice(100)))["whitening"].shape == (30, 9)  # a tenth of 100 less 5


def test_classes_missed_and_their_shares(blobs):
    metric = Classes()
    prepared = metric.prepare(blobs)
    found, distance = metric.classified(prepared, blobs.features)
    for missing in range(5):
        part = blobs.take(found != missing)
        scored = metric.score(prepared, blobs, part)
        assert scored["missed_classes"] == 1
        share = float((found == missing).double().mean())
        assert scored["class_kl"] == pytest.approx(-np.log(1 - share), rel=1e-9)  # all else in proportion
    far = blobs.take(distance > prepared["radius"])
    assert metric.score(prepared, blobs, far)["missed_classes"] == 5
    assert metric.score(prepared, blobs, far)["high_quality_samples"] == 0
