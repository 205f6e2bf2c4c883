"""The duration of a training on this machine, from a few steps of each player."""

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

MIN_SECONDS = 0.5  # seconds of one kind of step
MIN_STEPS = 3  # steps


@dataclass(frozen=True)
class StepTimes:
    """Seconds of a step of each player, of the validation of a journal row, and of a sample figure, with its bytes."""

    steps: dict[str, float]
    row: float
    grid: float
    grid_bytes: int


def measured(trainer: Trainer) -> StepTimes:
    """Trains at least MIN_STEPS steps of each player after a warm-up; the trainer must not be used afterwards."""
    for player in trainer.model.players:  # a step may use results of earlier ones
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
    """Seconds of the remaining iterations, with their journal rows and sample figures."""
    training = trainer.training
    remaining = range(done, training.iterations)
    steps = sum(times.steps[player.name] * sum(map(player.repeat, remaining)) for player in trainer.model.players)
    return steps + len(remaining) * (times.row / training.journal_every + times.grid / training.sample_every)


def images_used(trainer: Trainer, done: int = 0) -> int:
    """Real samples used by the remaining iterations, including repetitions."""
    remaining = range(done, trainer.training.iterations)
    batches = sum(len(player.roles) * sum(map(player.repeat, remaining)) for player in trainer.model.players)
    return batches * trainer.training.batch_size


def grids(training: Training) -> int:
    """Number of sample figures of a training."""
    return training.iterations // training.sample_every + 2


def snapshots(training: Training) -> int:
    """Number of snapshots of a training."""
    return (training.iterations - 1) // training.snapshot_every


def _median(work: Callable[[int], object]) -> float:
    took: list[float] = []
    for number in range(1000):
        start = time.perf_counter()
        work(number)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        if number:
            took.append(time.perf_counter() - start)
        if len(took) >= MIN_STEPS and sum(took) >= MIN_SECONDS:
            break
    return statistics.median(took)
