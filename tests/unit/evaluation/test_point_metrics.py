"""Metrics of points, on points whose scores are known."""

import numpy as np
import pytest
import torch

from ganflow.components import component_class
from ganflow.data.interfaces import Distribution
from ganflow.evaluation.checks import HELD_OUT, flags
from ganflow.evaluation.degradations import degraded, fewer_classes
from ganflow.evaluation.interfaces import Metric, Samples
from ganflow.evaluation.metrics.exact_em import ExactEM
from ganflow.evaluation.metrics.high_quality_samples import HighQualitySamples
from ganflow.evaluation.metrics.missed_modes import MissedModes


def test_modes_are_counted_as_the_definition_says():
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    labels = torch.arange(3000) % 3
    real = centres[labels] + torch.randn(3000, 2, generator=torch.Generator().manual_seed(0))
    made = torch.tensor([[2.5, 0.0], [3.5, 0.0], [10.0, 2.8], [12.0, 2.5], [50.0, 50.0]])  # near: the first and third
    for metric, expected, of_real in ((MissedModes(), 1.0, 0.0), (HighQualitySamples(), 2 / 5, 1.0)):
        [name], known = metric.better, metric.prepare(Samples(real, labels))
        assert metric.score(known, Samples(), Samples(made))[name] == pytest.approx(expected)
        assert metric.score(known, Samples(), Samples(real))[name] == pytest.approx(of_real, abs=0.02)


DISTRIBUTIONS = ("eight_gaussians", "twenty_five_gaussians", "swiss_roll")


def checks_of(metric: Metric, distribution: str) -> list[str]:
    """The flags of a metric on 2,000 points, against as many, as the reference stage finds them."""
    draw = np.random.default_rng(0)
    sets = [component_class(Distribution, distribution, "where")().sample(2000, draw) for _ in range(2)]
    real, held_out = (Samples(torch.from_numpy(p.astype(np.float32)), torch.from_numpy(modes)) for p, modes in sets)
    checked = {HELD_OUT: held_out} | {by: Samples(v, held_out.labels) for by, v in degraded(held_out.values).items()}
    if fewer := fewer_classes(held_out):
        checked["fewer_classes"] = fewer
    prepared = metric.prepare(real)
    scores = {by: metric.score(prepared, real, samples) for by, samples in checked.items()}
    return flags(metric, {score: score for score in metric.better}, scores)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("kind", [ExactEM, MissedModes, HighQualitySamples])
def test_no_metric_of_points_is_flagged_for_what_it_does_not_measure(kind, distribution):
    if distribution != "swiss_roll" or not kind.needs_labels:
        assert checks_of(kind(), distribution) == []


class BlindToModes(MissedModes):
    """Counts the modes of the real points, whatever the samples."""

    def score(self, prepared, real, samples):
        return super().score(prepared, real, Samples(prepared["centres"]))


class BlindToNoise(HighQualitySamples):
    """Looks at the centres of the modes, whatever the samples."""

    def score(self, prepared, real, samples):
        return super().score(prepared, real, Samples(prepared["centres"]))


class BlindToDistance(ExactEM):
    """The distance of the real points from themselves."""

    def score(self, prepared, real, samples):
        return super().score(prepared, real, Samples(prepared["points"].flatten(0, 1)))


@pytest.mark.parametrize(
    ("broken", "degradation"), [(BlindToModes, "fewer classes"), (BlindToNoise, "noisy"), (BlindToDistance, "noisy")]
)
def test_a_broken_metric_of_points_is_flagged(broken, degradation):
    found = checks_of(broken(), "eight_gaussians")
    assert any(f"{degradation} held-out samples score" in flag for flag in found), found
