"""The time on several machines: between the bounds that any schedule has, and exact where one can count."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganflow.stages.schedule import makespan


def unit(name: int, *inputs: int) -> SimpleNamespace:
    return SimpleNamespace(output=Path(str(name)), inputs=[Path(str(i)) for i in inputs])


@st.composite
def graphs(draw):
    costs = []
    for number in range(draw(st.integers(1, 12))):
        inputs = draw(st.sets(st.integers(-2, number - 1), max_size=3))  # below zero: done already
        costs.append((unit(number, *sorted(inputs)), draw(st.floats(0, 100))))
    return costs


def longest_chain(costs) -> float:
    ends = {}
    for each, seconds in costs:
        ends[each.output] = seconds + max((ends.get(folder, 0.0) for folder in each.inputs), default=0.0)
    return max(ends.values())


@given(graphs(), st.integers(1, 5))
def test_it_is_between_the_bounds_of_every_schedule(costs, workers):
    total, chain = sum(seconds for _, seconds in costs), longest_chain(costs)
    found = makespan(costs, workers)
    assert found >= max(chain, total / workers) * (1 - 1e-9)
    assert found <= (total / workers + (1 - 1 / workers) * chain) * (1 + 1e-9)  # Graham's bound


@given(graphs())
def test_one_worker_takes_the_sum_and_enough_the_longest_chain(costs):
    assert makespan(costs, 1) == pytest.approx(sum(seconds for _, seconds in costs))
    assert makespan(costs, len(costs)) == pytest.approx(longest_chain(costs))


def test_the_longest_chain_starts_first():
    costs = [(unit(0), 1.0), (unit(1), 1.0), (unit(2), 1.0), (unit(3, 2), 3.0)]
    assert makespan(costs, 2) == 4.0


def test_nothing_takes_no_time():
    assert makespan([], 3) == 0.0
