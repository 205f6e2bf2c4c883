"""The cost of a whole data set: sums that can be checked by hand, and shards of real size."""

from functools import partial

import pytest
from archives import DATA, real_data

from ganflow.data.costs import full_size_cost
from ganflow.data.formats.cifar10 import Cifar10
from ganflow.data.formats.lsun_bedroom import LsunBedroom
from ganflow.data.interfaces import Sample
from ganflow.data.reader import Shards
from ganflow.data.scenes import bedrooms
from ganflow.data.writing import write_shards


def test_lsun_by_hand():
    cost = full_size_cost(LsunBedroom(), 64, "raw", 8, 600.0)
    assert cost.images == 3_033_042 + 300
    assert cost.archives == 45_922_737_680 + 4_670_661
    assert cost.shards == cost.images * (512 + 12_800)  # header; 128 + 12288 bytes of npy, padded
    assert cost.sharding_hours == pytest.approx(cost.images / 4800 / 3600)
    assert cost.extracting_hours == pytest.approx(cost.extracted / 220e6 / 3600)
    assert cost.hours == pytest.approx(cost.extracting_hours + cost.sharding_hours + cost.digest_hours)
    assert cost.peak == cost.archives + cost.extracted + cost.shards < cost.peak_with_copies


def test_one_writer_is_the_limit_of_many_cores():
    hours = [full_size_cost(LsunBedroom(), 256, "raw", cores, 1000.0).sharding_hours for cores in (1, 2, 64, 128)]
    assert hours[0] == pytest.approx(2 * hours[1])
    assert hours[2] == hours[3] > full_size_cost(LsunBedroom(), 256, "webp", 64, 1000.0).sharding_hours


def test_cifar_is_not_unpacked():
    cost = full_size_cost(Cifar10(), 32, "raw", 2, 50_000.0)
    assert (cost.images, cost.extracted, cost.archives) == (60_000, 0, 170_052_171)
    assert cost.shards == 60_000 * 5120


@pytest.mark.parametrize("resolution", [32, 64, 128])
def test_raw_shards_have_the_size_that_is_told(tmp_path, resolution):
    samples = [Sample(f"{index:08d}", partial(bedrooms.render, 0, index), None) for index in range(40)]
    about = {"dataset": "d", "split": "train", "shape": (resolution, resolution, 3), "shard_size": 40, "classes": ()}
    write_shards(samples, tmp_path, **about)
    told = full_size_cost(LsunBedroom(), resolution, "raw", 1, 1.0)
    assert Shards(tmp_path).index.shards[0].bytes / 40 == pytest.approx(told.shards / told.images, abs=10240 / 40)


@real_data
@pytest.mark.parametrize("resolution", [48, 64, 128])
def test_packed_shards_have_about_the_size_that_is_told(tmp_path, resolution):
    samples = list(LsunBedroom().samples(DATA / "lsun_bedroom", "validation"))
    about = {"dataset": "d", "split": "train", "shape": (resolution, resolution, 3), "shard_size": 100, "classes": ()}
    write_shards(samples, tmp_path, **about, encoding="webp")
    told = full_size_cost(LsunBedroom(), resolution, "webp", 1, 1.0)
    assert Shards(tmp_path).index.shards[0].bytes / 100 == pytest.approx(told.shards / told.images, rel=0.1)
