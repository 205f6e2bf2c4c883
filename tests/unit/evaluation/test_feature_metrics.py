"""Metrics of features: against scipy, torch-fidelity, scikit-learn and literal float64 transcriptions of the papers,
and the properties that their definitions have."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from torch import Tensor
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from ganflow.errors import UserError
from ganflow.evaluation.distances import BLOCK, distance_blocks, nearest
from ganflow.evaluation.interfaces import Metric, Samples
from ganflow.evaluation.metrics import frechet_distance as frechet
from ganflow.evaluation.metrics.classes import Classes
from ganflow.evaluation.metrics.classifier_score import ClassifierScore
from ganflow.evaluation.metrics.duplicates import Duplicates
from ganflow.evaluation.metrics.frechet_distance import FrechetDistance, moments
from ganflow.evaluation.metrics.kernel_distance import KernelDistance
from ganflow.evaluation.metrics.manifold import Manifold
from ganflow.portable_operations import sqrt

SIDE = 24  # features of a sample where none else are said
seeds = st.integers(0, 2**32 - 1)
counts = st.integers(2, 80)  # from fewer samples than features to more


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def rotation(side: int, seed: int) -> Tensor:
    return torch.linalg.qr(normal(side, side, seed=seed)).Q


def scores(metric: Metric, real: Tensor, generated: Tensor) -> dict[str, float]:
    known = Samples(features=real)
    return metric.score(metric.prepare(known), known, Samples(features=generated))


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


def test_distances_in_blocks_against_differences():
    one, other = normal(BLOCK + 40, 6, dtype=torch.float32) + 1000, normal(50, 6, seed=1, dtype=torch.float32) + 1000
    other[7] = one[BLOCK + 3]
    found = torch.full((len(one), len(other)), -1.0, dtype=torch.float64)
    for rows, columns, squared in distance_blocks(one, other):
        found[rows, columns] = squared
    expected = (one.double()[:, None] - other.double()).square().sum(2)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=0)
    assert found[BLOCK + 3, 7] == 0
    among = (one.double()[:, None] - one.double()).square().sum(2).fill_diagonal_(torch.inf).sqrt()
    torch.testing.assert_close(nearest(one, k=3)[0], among.sort(1).values[:, :3], rtol=1e-9, atol=0)
    assert torch.equal(nearest(one, other)[0], sqrt(found.min(1, keepdim=True).values))


def test_equal_features_have_no_distance():
    """Not a rounding's worth either, or a copy would lie outside a ball of radius nothing."""
    rows = 3 * normal(300, 1000, dtype=torch.float32)
    assert nearest(rows, rows.clone())[0].max() == 0
    assert nearest(torch.cat([rows, rows]))[0].max() == 0 < nearest(rows)[0].min()


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


@pytest.mark.parametrize(
    ("metric", "count"),
    [(FrechetDistance(), 1), (KernelDistance(), 1), (ClassifierScore(), 9), (Manifold(), 3), (Duplicates(), 1)],
)
def test_too_few_samples_are_refused(metric, count, blobs):
    few = (blobs | Samples(logits=blobs.features)).take(slice(count))
    prepared = metric.prepare(blobs)
    with pytest.raises(UserError, match=str(count)):
        metric.score(prepared, blobs, few)


@pytest.mark.parametrize(
    ("metric", "count"), [(FrechetDistance(), 1), (Manifold(), 5), (Duplicates(), 1), (Classes(), 14)]
)
def test_too_few_real_samples_are_refused(metric, count, blobs):
    with pytest.raises(UserError, match=str(count)):
        metric.prepare(blobs.take(slice(count)))
