"""Features of the scored samples: what hardly tells the samples apart is flagged, and what does not is not."""

import pytest
import torch

from ganflow.evaluation.checks import FEATURES
from ganflow.evaluation.feature_checks import feature_flags
from ganflow.reporting import tables

COUNT, WIDTH = 200, 64


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randint(0, 256, (COUNT, 3, 8, 8), dtype=torch.uint8)


def test_features_of_full_rank_are_not_flagged(images):
    features = torch.randn(COUNT, WIDTH).relu()
    features[:, : WIDTH // 3] = 0  # as a network has for real images too
    features[0] = 0
    assert feature_flags(features, images) == []


def test_features_that_are_all_zero_are_flagged_with_their_numbers(images):
    assert feature_flags(torch.zeros(COUNT, WIDTH), images) == ["of 200 of 200 samples all features are 0"]
    same = torch.randn(1, WIDTH).expand(COUNT, -1)
    assert feature_flags(same, images) == ["200 different samples have 1 different vectors of features"]
    half = torch.cat([torch.zeros(COUNT // 2, WIDTH), torch.randn(COUNT // 2, WIDTH)])
    assert feature_flags(half, images) == [
        "of 100 of 200 samples all features are 0",
        "200 different samples have 101 different vectors of features",
    ]


@pytest.mark.parametrize("dead", [32, 40])
def test_features_of_which_most_are_constant_are_flagged(images, dead):
    features = torch.randn(COUNT, WIDTH)
    features[:, :dead] = 3.5
    flagged = feature_flags(features, images)
    assert flagged == ([f"{dead} of 64 features are equal for all samples"] if dead > 32 else [])


def test_features_in_few_directions_are_flagged_despite_rounding(images):
    features = 100 + torch.randn(COUNT, 3) @ torch.randn(3, WIDTH)
    assert feature_flags(features, images) == ["the features vary in 3 of 64 possible directions"]


def test_equal_samples_have_equal_features_by_right(images):
    features = torch.randn(COUNT, WIDTH)
    images[50:], features[50:] = images[:50].repeat(3, 1, 1, 1), features[:50].repeat(3, 1)
    assert feature_flags(features, images) == []
    assert feature_flags(torch.ones(COUNT, WIDTH), images[:1].expand(COUNT, -1, -1, -1)) == []
    images[50:] = torch.randint(0, 256, (150, 3, 8, 8), dtype=torch.uint8)
    assert feature_flags(features, images) == ["200 different samples have 50 different vectors of features"]


def test_the_report_knows_a_flag_of_features():
    assert tables.FEATURES == FEATURES
