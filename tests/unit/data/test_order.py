"""The order of samples: an epoch holds each once, and the stream is one however it is cut."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganflow.data import reader
from ganflow.data.order import batch_indices, order


@given(count=st.integers(1, 50), seed=st.integers(0, 99), epoch=st.integers(0, 99))
def test_an_epoch_holds_every_image_once(count, seed, epoch):
    assert sorted(order(count, seed, epoch)) == list(range(count))


@given(
    count=st.integers(1, 30), seed=st.integers(0, 9), position=st.integers(0, 200), sizes=st.lists(st.integers(0, 70))
)
def test_the_stream_is_one_however_it_is_cut(count, seed, position, sizes):
    whole = batch_indices(count, seed, position, sum(sizes))
    parts, here = [np.empty(0, np.int64)], position
    for size in sizes:
        parts.append(batch_indices(count, seed, here, size))
        here += size
    assert whole.dtype == np.int64 and len(whole) == sum(sizes)
    assert np.array_equal(whole, np.concatenate(parts))
    first = -position % count
    for epoch in range((len(whole) - first) // count):
        assert sorted(whole[first + epoch * count :][:count]) == list(range(count))


@pytest.mark.parametrize(("count", "position", "size"), [(0, 0, 1), (7, -1, 1), (7, 0, -1)])
def test_a_stream_of_nothing_or_of_the_past_is_refused(count, position, size):
    with pytest.raises(ValueError, match=f"count = {count}, position = {position}, size = {size}: negative, or no"):
        batch_indices(count, 0, position, size)
    assert batch_indices(1, 0, 0, 0).dtype == np.int64 and not batch_indices(1, 0, 0, 0).size


def test_an_order_is_for_all_who_ask_and_nobody_may_change_it():
    with pytest.raises(ValueError, match="read-only"):
        order(7, 0, 0)[0] = 1


def test_orders_differ_by_seed_and_epoch_and_are_for_ever():
    assert batch_indices(10, 0, 0, 10).tolist() == [0, 4, 8, 6, 1, 5, 9, 7, 3, 2]
    assert len({tuple(order(100, seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9
    assert order.cache_info().maxsize == 4  # two epochs of each of two domains
    with pytest.raises(ValueError):
        order(10, 0, 0)[0] = 1
    for wrong in ((0, 0, 0, 1), (5, 0, -1, 1), (5, 0, 0, -1)):
        with pytest.raises(ValueError):
            batch_indices(*wrong)


def test_data_needs_no_torch():
    program = (
        "import pkgutil, importlib, sys, ganflow.data as d;"
        "[importlib.import_module(m.name) for m in pkgutil.walk_packages(d.__path__, 'ganflow.data.')];"
        "assert 'ganflow.data.scenes.objects' in sys.modules; assert 'torch' not in sys.modules"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(reader.__file__).parents[2])}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
