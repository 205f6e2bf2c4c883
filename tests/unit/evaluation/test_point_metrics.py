"""Metrics of points, on points whose scores are known."""

import pytest
import torch

from ganflow.evaluation.interfaces import Samples
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
