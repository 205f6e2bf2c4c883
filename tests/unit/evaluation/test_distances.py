"""Distances between sets of features: exact, in bounded memory, on the device of the features."""

import pytest
import torch
from devices import META, without_waiting
from feature_sets import normal

from ganflow.components import component_class, names
from ganflow.evaluation.distances import BLOCK, distance_blocks, nearest
from ganflow.evaluation.interfaces import Metric, Samples
from ganflow.evaluation.metrics.manifold import Manifold
from ganflow.portable_operations import sqrt

SOME = 2 * BLOCK + 100  # rows, in three blocks


@pytest.mark.parametrize("itself", [False, True])
def test_neighbours_in_blocks_are_those_of_all_differences(itself):
    draw = torch.Generator().manual_seed(0)
    one = torch.randn(SOME if itself else 50, 3, generator=draw)
    other = one if itself else torch.randn(SOME, 3, generator=draw)
    distances, indices = nearest(one, None if itself else other, 4)
    for row in (0, 7, len(one) - 1):
        all_of_them = (one[row].double() - other.double()).square().sum(1).sqrt()
        if itself:
            all_of_them[row] = torch.inf
        expected = all_of_them.topk(4, largest=False)
        assert indices[row].tolist() == expected.indices.tolist()
        torch.testing.assert_close(distances[row], expected.values, rtol=1e-12, atol=0)


def test_neighbours_are_sought_where_the_features_are_in_bounded_memory():
    one, other = torch.empty(SOME, 40, device=META), torch.empty(SOME, 40, device=META)
    with without_waiting() as ran:
        found = nearest(one, other, 3)
    assert all(tensor.device.type == META and tensor.shape == (SOME, 3) for tensor in found)
    sizes = {shape for _, *shapes in ran for shape in shapes if shape not in (one.shape, found[0].shape)}
    assert max(torch.Size(size).numel() for size in sizes) == BLOCK * (BLOCK + 3)


def test_the_counts_of_all_four_manifold_scores_are_one_copy_to_the_host():
    features = torch.empty(SOME, 8, device=META)
    metric = Manifold()
    with without_waiting():
        found = metric.counts(metric.prepare(Samples(features=features)), features, features[:BLOCK])
    assert found.shape == (4,) and found.device.type == META


@pytest.mark.parametrize("name", names(Metric))
def test_a_metric_that_says_so_prepares_where_the_features_are(name):
    metric = component_class(Metric, name, "where")()
    if not metric.on_device:
        return
    assert metric.compares == "features"
    with without_waiting():
        prepared = metric.prepare(Samples(features=torch.empty(SOME, 8, device=META)))
    assert prepared and all(tensor.device.type == META for tensor in prepared.values())


def test_samples_move_with_all_that_is_known_of_them():
    moved = Samples(features=torch.zeros(3, 2), labels=torch.zeros(3)).to(META)
    assert {name: part.device.type for name, part in moved.known.items()} == {"features": META, "labels": META}
    kept = Samples(features=torch.zeros(3, 2))
    assert kept.to("cpu").features is kept.features


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
