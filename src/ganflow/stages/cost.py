"""What an experiment will take on this machine: hours and disk of every stage that is not done, before it is started.

Measured, not guessed: a few drawings in the format of each dataset are made, written as shards and scored, and each
kind of training runs a few steps of each of its updates. A fetched archive takes what the network takes.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from ganflow.components import component
from ganflow.config import Choice, Dataset, Experiment
from ganflow.data import formats, sources
from ganflow.data.costs import full_size_cost
from ganflow.data.interfaces import Format, Source
from ganflow.data.reader import Shards
from ganflow.data.sources.drawn import Drawn
from ganflow.data.sources.rendered import Rendered
from ganflow.data.writing import write_shards
from ganflow.evaluation.images import generated_images, real_images
from ganflow.evaluation.interfaces import metrics_of
from ganflow.methods.adversarial import Adversarial
from ganflow.networks.interfaces import parameter_count
from ganflow.progress import say
from ganflow.stages.status import DONE, iteration_of, standings
from ganflow.stages.units import PACKAGE, Unit, units
from ganflow.training.loop import Run
from ganflow.training.pace import Pace, grids, images_used, measured, seconds

DRAWN = 50  # images, a multiple of five as CIFAR-10's batches need it
SCORED = 50  # images
IMPORTS = "import ganflow.stages.train"
MADE_HERE = ("rendered", "drawn")  # sources
RATE = 100e6 / 8  # bytes a second of a network, for the sentence about downloads

T = TypeVar("T")


@dataclass
class Cost:
    """What a unit, or several, will take; `fetched` bytes come over the network, `scratch` ones go at the end."""

    units: int = 0
    images: int = 0
    seconds: float = 0.0
    bytes: int = 0
    fetched: int = 0
    scratch: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(getattr(self, name) + getattr(other, name) for name in vars(self)))


def run(experiment: Experiment, device: str) -> None:
    """Prints a line a stage and the sum; raises UserError as the stages themselves would."""
    standing = standings(list(units(experiment, device)))
    ahead = [unit for unit, kind, _ in standing if kind != DONE]
    with tempfile.TemporaryDirectory() as scratch:
        trial = Trial(experiment, device, Path(scratch))
        costs = [(unit, trial.cost(unit)) for unit in ahead]
    by_stage: dict[str, Cost] = defaultdict(Cost)
    for unit, cost in costs:
        by_stage[unit.stage] += cost
    print(f"experiment {experiment.experiment}: {len(ahead)} of {len(standing)} units to do, on {device}")
    print(f"  {'stage':<10}{'units':>6}{'images':>15}{'time':>16}{'disk':>10}")
    for stage, cost in by_stage.items():
        print(f"  {stage:<10}{cost.units:>6}{cost.images:>15,}{_time(cost.seconds):>16}{_size(cost.bytes):>10}")
    _print_sum(experiment, sum((cost for _, cost in costs), Cost()))


def _print_sum(experiment: Experiment, whole: Cost) -> None:
    cores, threads = os.cpu_count() or 1, experiment.compute.threads
    at_once = max(1, cores // threads)
    print(f"in all {_time(whole.seconds)} with `dvc repro`, one after another", end="")
    if at_once > 1:
        print(
            f"; with `snakemake --cores {cores}`, {at_once} at once, at best {_time(whole.seconds / at_once)}", end=""
        )
    free = shutil.disk_usage(".").free
    print(f"\n{_size(whole.bytes)} of disk, twice that where DVC's cache has to copy; {_size(free)} are free here")
    if whole.scratch:
        print(f"and {_size(whole.scratch)} in build/scratch while shards are made, where the archives are unpacked")
    if whole.fetched:
        took = _time(whole.fetched / RATE)
        print(f"to fetch: {_size(whole.fetched)}, which is {took} at 100 Mbit/s and not in the time above")


class Trial:
    """What was measured so far; equal work is measured once."""

    def __init__(self, experiment: Experiment, device: str, scratch: Path):
        self.experiment, self.device, self.scratch = experiment, device, scratch
        self.drawings: dict[str, tuple[float, float]] = {}  # format: seconds and bytes of one
        self.shards: dict[Path, float] = {}  # folder: seconds of an image
        self.paces: dict[tuple[str, str, int], tuple[Pace, Run]] = {}

    def cost(self, unit: Unit) -> Cost:
        """What one unit will take."""
        return {
            "download": self._download,
            "shard": self._shard,
            "reference": self._reference,
            "train": self._train,
            "evaluate": self._evaluate,
        }.get(unit.stage, lambda unit: Cost(1, 0, self.start))(unit)

    def _download(self, unit: Unit) -> Cost:
        dataset = self.experiment.datasets[unit.axes[0]]
        count = sum(_counts(dataset).values())
        if dataset.source.name not in MADE_HERE:
            size = sum(archive.bytes for archive in _format(dataset.format).archives)
            return Cost(1, count, 0.0, size, size)
        took, size, _ = self._drawn(dataset)
        return Cost(1, count, self.start + count * took, round(count * size))

    def _shard(self, unit: Unit) -> Cost:
        dataset = self.experiment.datasets[unit.axes[0]]
        count = sum(_counts(dataset).values())
        shards, took = self._sharded(dataset)
        threads = self.experiment.compute.threads
        if dataset.source.name != "rendered":
            whole = full_size_cost(_format(dataset.format), dataset.resolution, dataset.encoding, threads, 1 / took)
            return Cost(1, count, 3600 * whole.hours, whole.shards, scratch=whole.unpacked)
        size = sum(file.stat().st_size for file in shards.folder.glob("*.tar")) / shards.count
        return Cost(1, count, self.start + count * took / threads, round(count * size))

    def _reference(self, unit: Unit) -> Cost:
        dataset = self.experiment.datasets[unit.axes[0]]
        count = sum(min(self.experiment.evaluation.images, most) for most in _counts(dataset).values())
        shards, _ = self._sharded(dataset)
        samples, _ = real_images(shards, SCORED)
        return Cost(1, count, self.start + count * self._scoring(samples) / SCORED)

    def _train(self, unit: Unit) -> Cost:
        dataset = self.experiment.datasets[unit.axes[0]]
        pace, run = self._pace(unit.axes[1], dataset)
        done = iteration_of(unit)
        share = min(run.training.validation_images, _counts(dataset)["validation"]) / run.held_out.count
        took = seconds(replace(pace, row=pace.row * share), run, done)
        parameters = sum(parameter_count(module) for module in run.method.modules.values())
        if run.averaged is not None:
            parameters += parameter_count(run.averaged)
        size = 4 * parameters + grids(run.training) * pace.grid_bytes
        return Cost(1, images_used(run, done), self.start + took, size)

    def _evaluate(self, unit: Unit) -> Cost:
        dataset, evaluation = self.experiment.datasets[unit.axes[0]], self.experiment.evaluation
        _, run = self._pace(unit.axes[1], dataset)
        began = time.perf_counter()
        module = run.method.modules["generator"]
        latent, classes = run.training.latent, run.method.classes
        images = generated_images(module, SCORED, latent, evaluation.batch_size, 0, self.device, classes)
        took = (time.perf_counter() - began + self._scoring(images)) / SCORED
        return Cost(1, evaluation.images, self.start + evaluation.images * took)

    @cached_property
    def start(self) -> float:
        """Seconds until a stage's process has imported what it runs."""
        return _timed(lambda: subprocess.run([sys.executable, "-c", IMPORTS], cwd=PACKAGE.parent, check=True))[0]

    def _scoring(self, images: Tensor) -> float:
        """Seconds of all metrics' statistics of some images."""
        metrics = metrics_of(self.experiment.evaluation).values()
        return sum(_timed(lambda metric=metric: metric.statistics(images))[0] for metric in metrics)

    def _drawn(self, dataset: Dataset) -> tuple[float, float, Path]:
        """Seconds and bytes of a drawing in a dataset's format, or of a point, and the folder of its archives."""
        form, name = (
            _format(dataset.format),
            f"{dataset.format}-{dataset.dimension}" if dataset.dimension else dataset.format,
        )
        folder = self.scratch / name / "raw"
        if name not in self.drawings:
            say(f"plan: drawing {DRAWN} samples of {dataset.format}")
            folder.mkdir(parents=True)
            took, _ = _timed(lambda: _tried(dataset).deliver(form, folder))
            size = sum(file.stat().st_size for file in folder.rglob("*"))
            self.drawings[name] = took / (DRAWN + 1), size / (DRAWN + 1)
        return *self.drawings[name], folder

    def _sharded(self, dataset: Dataset) -> tuple[Shards, float]:
        """Shards of drawings at a dataset's resolution, and the seconds that each took one process."""
        form = _format(dataset.format)
        _, _, raw = self._drawn(dataset)
        folder = self.scratch / dataset.format / f"{dataset.shape[0]}-{dataset.encoding}-{dataset.resize}"
        if folder not in self.shards:
            samples, classes = form.samples(raw, "train"), form.classes(raw)
            about = {"dataset": "tried", "split": "train", "shape": dataset.shape, "shard_size": DRAWN}
            about |= {"encoding": dataset.encoding, "resize": dataset.resize}
            took, _ = _timed(lambda: write_shards(samples, folder, classes=classes, **about))
            self.shards[folder] = took / DRAWN
        return Shards(folder), self.shards[folder]

    def _pace(self, variant: str, dataset: Dataset) -> tuple[Pace, Run]:
        """The pace of a variant at a dataset's resolution, and the run that it was measured by."""
        key = (variant, dataset.format, dataset.shape[0])
        if key not in self.paces:
            say(f"plan: a few iterations of {variant} on samples of {' x '.join(map(str, dataset.shape))}")
            training = self.experiment.training_of(variant)
            shards, _ = self._sharded(dataset)
            chosen = self.experiment.variants[variant]
            classes = len(shards.classes)
            method = Adversarial(variant, chosen, training, dataset.shape, 0, self.device, classes)
            run = Run(variant, method, training, 0, self.device, shards, shards)
            self.paces[key] = measured(run), run
        return self.paces[key]


def _format(name: str) -> Format:
    return component(formats, Format, Choice(name=name), "datasets")


def _tried(dataset: Dataset) -> Source:
    """What makes a few samples of a dataset's format and shape."""
    if dataset.dimension is None:
        return Rendered(train=DRAWN, validation=1)
    at_zero = Choice(name="gaussian", settings={"mean": [0.0] * dataset.dimension})
    return Drawn(distribution=at_zero, train=DRAWN, validation=1)


def _counts(dataset: Dataset) -> dict[str, int]:
    """Samples of each split: as the source says, or as the official archives hold."""
    form = _format(dataset.format)
    return component(sources, Source, dataset.source, "datasets").counts(form) or form.images


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    done = work()
    return time.perf_counter() - began, done


def _time(seconds: float) -> str:
    """Days, hours and minutes as people say them."""
    for size, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.0f} seconds"


def _size(count: float) -> str:
    """Bytes in units of a thousand."""
    for size, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if count >= size:
            return f"{count / size:.3g} {name}"
    return f"{count / 1e3:.0f} kB"
