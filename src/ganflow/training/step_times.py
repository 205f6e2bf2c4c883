"""How long a training takes on this machine, from a few steps of each of its players."""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from ganflow.config import Training
from ganflow.methods.interfaces import Player
from ganflow.training.loop import Trainer

ENOUGH = 0.5  # seconds of one kind of step
FEWEST = 3  # steps


@dataclass(frozen=True)
class StepTimes:
    """Seconds of one step of each player, of a journal row's validation, and of a sample figure with its file's
    bytes."""

    steps: dict[str, float]
    row: float
    grid: float
    grid_bytes: int


def measured(trainer: Trainer) -> StepTimes:
    """Trains at least FEWEST steps of each player after a warm-up; the trainer is of no use afterwards."""
    for player in trainer.model.players:  # a step may need what those before it leave
        trainer.step(player, trainer.draws(player, (0, 0), {}))
    steps = {}
    for player in trainer.model.players:

        def step(number: int, player: Player = player) -> None:
            trainer.step(player, trainer.draws(player, (number, 0), dict.fromkeys(player.roles, number)))

        steps[player.name] = _median(step)
    with tempfile.TemporaryDirectory() as folder:
        grid = _median(lambda number: trainer.write_samples(Path(folder), number))
        sizes = [file.stat().st_size for file in Path(folder).rglob("*.png")]
    return StepTimes(steps, _median(lambda number: trainer.validate()), grid, max(sizes))


def seconds(times: StepTimes, trainer: Trainer, done: int = 0) -> float:
    """Seconds of the iterations from `done` on, with their journal rows and sample figures."""
    training = trainer.training
    ahead = range(done, training.iterations)
    steps = sum(times.steps[player.name] * sum(map(player.repeat, ahead)) for player in trainer.model.players)
    return steps + len(ahead) * (times.row / training.journal_every + times.grid / training.sample_every)


def images_used(trainer: Trainer, done: int = 0) -> int:
    """Real samples that the iterations from `done` on take in, repetitions counted."""
    ahead = range(done, trainer.training.iterations)
    batches = sum(len(player.roles) * sum(map(player.repeat, ahead)) for player in trainer.model.players)
    return batches * trainer.training.batch_size


def grids(training: Training) -> int:
    """Sample figures that a whole training writes."""
    return training.iterations // training.sample_every + 2


def snapshots(training: Training) -> int:
    """Snapshots that a whole training writes."""
    return (training.iterations - 1) // training.snapshot_every


def _median(work: Callable[[int], object]) -> float:
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
