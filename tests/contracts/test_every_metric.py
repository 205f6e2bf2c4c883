"""Every metric: scores that can be kept and computed again, and that tell samples made worse in the ways it names."""

import math
from typing import get_args

import numpy as np
import pytest
import torch
from operations import portable_operations_only
from safetensors.torch import load, save

from ganflow.components import component_class, names
from ganflow.data.scenes import bedrooms
from ganflow.evaluation.interfaces import Direction, Metric, Samples, Worse


@pytest.fixture(scope="module")
def rooms() -> Samples:
    """400 bedrooms, 32 px."""
    pictures = [np.asarray(bedrooms.render(0, i).crop((8, 0, 72, 64)).resize((32, 32))) for i in range(400)]
    return Samples(values=torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).copy()))


@pytest.fixture(scope="module")
def translated(rooms) -> Samples:
    """The bedrooms, each with a slightly darker one as its target."""
    return rooms | Samples(targets=(rooms.values * 0.95).byte())


@pytest.fixture(scope="module")
def corners() -> Samples:
    """400 labelled points around four corners of a square."""
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(400) % 4
    centres = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    return Samples(values=centres[labels] + 0.05 * torch.randn(400, 2, generator=draw), labels=labels)


@pytest.fixture(scope="module")
def blobs() -> Samples:
    """600 labelled samples by their features alone, ten classes around centres in 32 dimensions."""
    draw = torch.Generator().manual_seed(0)
    centres, labels = 2 * torch.randn(10, 32, generator=draw), torch.arange(600) % 10
    return featured(centres[labels] + torch.randn(600, 32, generator=draw), labels, centres)


def featured(features: torch.Tensor, labels: torch.Tensor, centres: torch.Tensor) -> Samples:
    """Samples with the logits of a soft classifier by the nearest centre."""
    return Samples(features=features, logits=-torch.cdist(features, centres).square() / 20, labels=labels)


def without(samples: Samples, part: str) -> Samples:
    """The samples as they are when a part of what is known of them is not there."""
    return Samples(**{name: value for name, value in samples.known.items() if name != part})


METRICS = {name: component_class(Metric, name, "where") for name in names(Metric)}
BY_CONTENT = {"points": "corners", "images": "rooms", "features": "blobs", "translations": "translated"}


def split(name: str, request: pytest.FixtureRequest) -> tuple[Samples, Samples]:
    """Real samples and fresh ones, of what a metric takes: halves of a fixture."""
    samples = request.getfixturevalue(BY_CONTENT[METRICS[name].compares])
    return samples.take(slice(None, len(samples) // 2)), samples.take(slice(len(samples) // 2, None))


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_keeps_the_contract(name, request):
    metric = METRICS[name]()
    assert metric.better and set(metric.literature_name) <= set(metric.better) >= set(metric.sensitive_to)
    assert set(metric.better.values()) <= set(get_args(Direction))
    assert metric.worsened_by.keys() == metric.better.keys(), f"{name}: worsened_by names what its scores must tell"
    assert all(ways and set(ways) <= set(get_args(Worse)) for ways in metric.worsened_by.values())
    real, fresh = split(name, request)
    prepared = metric.prepare(real)
    assert all(value.is_contiguous() for value in prepared.values())
    known = without(real, "values")  # what is left of the real samples when one scores
    kept = load(save(prepared))
    scores = metric.score(kept, known, fresh)
    assert {score for score in scores if not score.endswith("_std")} == set(metric.better)
    assert all(type(score) is float and math.isfinite(score) for score in scores.values())
    assert metric.score(metric.prepare(real), known, fresh) == scores
    assert all(torch.equal(kept[key], prepared[key]) for key in prepared), "scoring changed what was prepared"


@pytest.mark.parametrize("name", [name for name in METRICS if METRICS[name].compares == "features"])
def test_metrics_of_features_look_at_nothing_else_of_generated_samples(name, blobs):
    metric, real, fresh = METRICS[name](), blobs.take(slice(300)), blobs.take(slice(300, None))
    prepared = metric.prepare(real)
    assert metric.score(prepared, real, without(fresh, "labels")) == metric.score(prepared, real, fresh)


@pytest.mark.parametrize("name", METRICS)
def test_scores_are_computed_by_portable_operations(name, request):
    metric, (real, fresh) = METRICS[name](), split(name, request)
    with portable_operations_only():
        metric.score(metric.prepare(real), real, fresh)


def degraded(by: str, real: Samples, fresh: Samples) -> list[Samples]:
    """Samples made worse, slightly and more."""
    draw = torch.Generator().manual_seed(0)
    if by == "fewer_classes":
        return [fresh.take(fresh.labels < most) for most in (3, 1)]
    if by == "repeats":
        order = torch.arange(len(fresh))
        return [fresh.take(order % (len(fresh) // times)) for times in (2, 10)]
    part = "values" if "values" in fresh.known else "features"
    known, values = getattr(real, part), getattr(fresh, part)
    noise = torch.randn(values.shape, generator=draw)
    if by == "copies":
        worse = [torch.where((torch.arange(len(values)) % 10 < n)[:, None], known, values) for n in (2, 8)]
    elif by == "blend":  # with another sample, of another class
        worse = [torch.lerp(values, values.roll(1, 0), weight) for weight in (0.25, 0.5)]
    elif by == "outliers":
        worse = [torch.full_like(values, 30.0)]
    elif by == "uniform":
        worse = [torch.randint(0, 256, values.shape, generator=draw, dtype=torch.uint8)]
    elif values.dtype == torch.uint8:
        worse = [(values + scale * noise).clamp(0, 255).byte() for scale in (10, 40)]
    else:
        worse = [values + scale * noise for scale in (2, 8)]
    if part == "values":
        return [fresh | Samples(values=values) for values in worse]
    centres = torch.stack([known[real.labels == label].mean(0) for label in range(10)])
    return [featured(features, fresh.labels, centres) for features in worse]


@pytest.mark.parametrize(("name", "score"), [(name, score) for name in METRICS for score in METRICS[name].better])
def test_every_score_tells_samples_made_worse(name, score, request):
    metric, (real, fresh) = METRICS[name](), split(name, request)
    prepared, sense = metric.prepare(real), {"lower": 1, "higher": -1}[metric.better[score]]
    for by in metric.worsened_by[score]:
        found = [
            sense * metric.score(prepared, real, samples)[score] for samples in (fresh, *degraded(by, real, fresh))
        ]
        assert found == sorted(found), by
        assert found[-1] - found[0] > 0.2 * abs(found[0]), by
