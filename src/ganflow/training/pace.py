"""How fast a training would go on this machine, from a few steps of each of its updates on any images."""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from ganflow.config import Training
from ganflow.training.loop import Run

ENOUGH = 0.5  # seconds of one kind of step
FEWEST = 3  # steps


@dataclass(frozen=True)
class Pace:
    """Seconds of one step of each update, of a journal row's validation, and of a sample grid with its file's bytes."""

    steps: dict[str, float]
    row: float
    grid: float
    grid_bytes: int


def measured(run: Run) -> Pace:
    """Trains a few steps, at least FEWEST of each update after one that does not count; the run is spoilt by it."""
    steps = {}
    for update in run.method.updates:

        def step(number: int, update=update) -> None:
            run.step(update, run.draws(update, (number, 0), number))

        steps[update.name] = _median(step)
    with tempfile.TemporaryDirectory() as folder:
        grid = _median(lambda number: run.grid(Path(folder), number))
        sizes = [file.stat().st_size for file in Path(folder).rglob("*.png")]
    return Pace(steps, _median(lambda number: run.validate()), grid, max(sizes))


def seconds(pace: Pace, run: Run, done: int = 0) -> float:
    """Seconds of the iterations from `done` on, with their journal rows and sample grids."""
    training = run.training
    ahead = range(done, training.iterations)
    steps = sum(pace.steps[update.name] * sum(map(update.repeat, ahead)) for update in run.method.updates)
    return steps + len(ahead) * (pace.row / training.journal_every + pace.grid / training.sample_every)


def images_used(run: Run, done: int = 0) -> int:
    """Real images that the iterations from `done` on take in, repetitions counted."""
    batches = sum(sum(map(u.repeat, range(done, run.training.iterations))) for u in run.method.updates if u.uses_real)
    return batches * run.training.batch_size


def grids(training: Training) -> int:
    """Sample grids that a whole training writes."""
    return training.iterations // training.sample_every + 2


def snapshots(training: Training) -> int:
    """Snapshots that a whole training writes."""
    return (training.iterations - 1) // training.snapshot_every


def _median(work: Callable[[int], None]) -> float:
    took: list[float] = []
    for number in range(1000):
        began = time.perf_counter()
        work(number)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        if number:
            took.append(time.perf_counter() - began)
        if len(took) >= FEWEST and sum(took) >= ENOUGH:
            break
    return statistics.median(took)
