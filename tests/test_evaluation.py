"""Metrics: against an independent implementation of optimal transport, and in the order of known degradations."""

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance
from torch import nn

from ganflow.components import component_class, names
from ganflow.config import Choice, Evaluation
from ganflow.data.scenes import bedrooms
from ganflow.errors import UserError
from ganflow.evaluation import metrics
from ganflow.evaluation.images import generated_images
from ganflow.evaluation.interfaces import Metric, metrics_of
from ganflow.evaluation.metrics.sliced_wasserstein import _wasserstein_1d


@pytest.fixture(scope="module")
def rooms() -> torch.Tensor:
    """400 bedrooms, uint8 (n, 3, 32, 32)."""
    pictures = [np.asarray(bedrooms.draw(0, i).crop((8, 0, 72, 64)).resize((32, 32))) for i in range(400)]
    return torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).copy())


@pytest.fixture(scope="module")
def corners() -> tuple[torch.Tensor, torch.Tensor]:
    """400 points around four corners, float32 (n, 2), and their labels, (n,) int64."""
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(400) % 4
    centres = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    return centres[labels] + 0.05 * torch.randn(400, 2, generator=draw), labels


METRICS = {name: component_class(metrics, Metric, name, "where") for name in names(metrics)}


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_keeps_the_contract(name, rooms, corners):
    metric = METRICS[name]()
    for key, field in type(metric).model_fields.items():
        assert field.description, f"{name}.{key} is not described"
    samples, labels = corners if metric.points else (rooms, None)
    labels = None if labels is None else labels[:100]
    real, statistics = metric.of_real(samples[:100], labels), metric.statistics(samples[:100])
    assert metric.score(real, statistics) == pytest.approx(0, abs=0.05 if metric.needs_labels else 1e-9)
    again = metric.statistics(samples[:100])
    assert all(torch.equal(statistics[key], again[key]) for key in statistics)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_orders_known_degradations(name, rooms, corners):
    metric = METRICS[name]()
    draw = torch.Generator().manual_seed(0)
    if metric.points:
        (points, labels), fresh = corners, corners[0][200:]
        real = metric.of_real(points[:200], labels[:200])
        noise = torch.randn(fresh.shape, generator=draw)
        degraded = [fresh + 0.2 * noise, fresh + 5 * noise, torch.full_like(fresh, 30.0)]
        scores = [metric.score(real, metric.statistics(points)) for points in (fresh, *degraded)]
        assert scores == sorted(scores) and scores[-1] > scores[0]
        return
    real, fresh = metric.statistics(rooms[:200]), rooms[200:]
    noise = torch.randn(fresh.shape, generator=draw)
    noisy = [(fresh + scale * noise).clamp(0, 255).byte() for scale in (10, 40)]
    uniform = torch.randint(0, 256, fresh.shape, generator=draw, dtype=torch.uint8)
    scores = [metric.score(real, metric.statistics(images)) for images in (fresh, *noisy, uniform)]
    assert scores == sorted(scores) and scores[1] > 1.2 * scores[0]


@pytest.mark.parametrize("counts", [(50, 50), (50, 20), (20, 50)])
def test_distance_on_the_line_against_scipy(counts):
    draw = np.random.default_rng(0)
    one, other = (np.sort(draw.normal(i, 1 + i, (count, 3)), 0) for i, count in enumerate(counts))
    expected = np.mean([wasserstein_distance(one[:, k], other[:, k]) for k in range(3)])
    found = _wasserstein_1d(torch.from_numpy(one), torch.from_numpy(other))
    assert found == pytest.approx(expected, rel=1e-9 if counts[0] == counts[1] else 0.05)


def test_generated_images_depend_on_the_seed_alone():
    module = nn.Sequential(nn.Unflatten(1, (3, 2, 2)), nn.Tanh())
    images = generated_images(module, 10, 12, 4, seed=0, device="cpu")
    assert images.shape == (10, 3, 2, 2) and images.dtype == torch.uint8
    assert torch.equal(images, generated_images(module, 10, 12, 4, seed=0, device="cpu"))
    assert not torch.equal(images, generated_images(module, 10, 12, 4, seed=1, device="cpu"))


def test_unknown_and_repeated_metrics_are_refused():
    with pytest.raises(UserError, match="did you mean `sliced_wasserstein`"):
        metrics_of(Evaluation(metrics=(Choice(name="sliced_waserstein"),)))
    with pytest.raises(UserError, match="stands there twice"):
        metrics_of(Evaluation(metrics=(Choice(name="sliced_wasserstein"),) * 2))
