"""How long units take on several machines: each starts when its inputs are there and a worker is free."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from ganflow.stages.units import Unit


def makespan(costs: Sequence[tuple[Unit, float]], workers: int) -> float:
    """Seconds until all units, given with their seconds, are done by a number of workers at once, one unit each.

    Of the units that can start, the one with the longest chain of units behind it does: list scheduling, at most
    2 - 1/workers times the shortest (Graham, Bounds on multiprocessing timing anomalies, SIAM J. Appl. Math. 17, 1969).
    """
    seconds = dict(enumerate(took for _, took in costs))
    before = dict(enumerate(_inputs(costs)))
    after: dict[int, list[int]] = {number: [] for number in seconds}
    for number, needed in before.items():
        for input_ in needed:
            after[input_].append(number)

    @cache
    def behind(number: int) -> float:
        return seconds[number] + max(map(behind, after[number]), default=0.0)

    open_inputs = {number: len(needed) for number, needed in before.items()}
    ready = [(-behind(number), number) for number, needed in before.items() if not needed]
    heapq.heapify(ready)
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < workers:
            _, number = heapq.heappop(ready)
            heapq.heappush(running, (now + seconds[number], number))
        now, done = heapq.heappop(running)
        for number in after[done]:
            open_inputs[number] -= 1
            if not open_inputs[number]:
                heapq.heappush(ready, (-behind(number), number))
    return now


def _inputs(costs: Sequence[tuple[Unit, float]]) -> Iterator[list[int]]:
    """The numbers of the units whose outputs each unit reads; what is done already is not among them."""
    by_output: Mapping[object, int] = {unit.output: number for number, (unit, _) in enumerate(costs)}
    for unit, _ in costs:
        yield [by_output[folder] for folder in unit.inputs if folder in by_output]
