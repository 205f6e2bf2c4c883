"""The cost of each unit of work on this machine, measured: a few images in the format of each dataset are rendered,
written as shards and scored, and each kind of training runs a few steps of each of its players."""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

from ganflow.components import component
from ganflow.config import Choice, Dataset, Experiment
from ganflow.data.costs import full_size_cost
from ganflow.data.interfaces import Format, Source
from ganflow.data.reader import Shards
from ganflow.data.sources.rendered import Rendered
from ganflow.data.sources.sampled import Sampled
from ganflow.data.writing import write_shards
from ganflow.evaluation.degradations import degraded
from ganflow.evaluation.extraction import WEIGHTS, Extraction, extraction_of
from ganflow.evaluation.generated_samples import generate_samples
from ganflow.evaluation.interfaces import Metric, Samples, curve_metric, extractor_of, metrics_of
from ganflow.evaluation.sample_sets import real_labels, real_samples, subset_indices
from ganflow.methods.interfaces import Data, Task
from ganflow.methods.tasks import method_of
from ganflow.networks.building import parameter_count
from ganflow.progress import log
from ganflow.stages.digests import PACKAGE
from ganflow.stages.graph import STAGES
from ganflow.stages.sections import evaluation_for
from ganflow.stages.status import iteration_of
from ganflow.stages.units import Unit
from ganflow.training.loop import Trainer
from ganflow.training.step_times import StepTimes, grids, images_used, measured, seconds, snapshots

DRAWN = 50  # images, a multiple of five as CIFAR-10's batches need it
SCORED = 50  # images
IMPORTS = "import ganflow.stages.train"
MADE_HERE = ("rendered", "sampled")  # sources

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


class CostModel:
    """What was measured so far; equal work is measured once."""

    def __init__(self, experiment: Experiment, device: str, scratch: Path):
        self.experiment, self.device, self.scratch = experiment, device, scratch
        self.drawings: dict[str, tuple[float, float]] = {}  # format: seconds and bytes of one
        self.shards: dict[Path, float] = {}  # folder: seconds of an image
        self.times: dict[tuple[str, str, int], tuple[StepTimes, Trainer]] = {}
        self.scoring: dict[tuple[str, int, str], float] = {}  # (format, side, metric): seconds of an image
        self.unmeasured = False  # whether there was work by an extractor whose weights are not here

    def cost(self, unit: Unit) -> Cost:
        """What one unit will take."""
        return {
            "download": self._download,
            "shard": self._shard,
            "extractor": self._extractor,
            "extract": self._extract,
            "reference": self._reference,
            "train": self._train,
            "generate": self._generate,
            "evaluate": self._evaluate,
        }.get(unit.stage, lambda unit: Cost(1, 0, self.start))(unit)

    def _download(self, unit: Unit) -> Cost:
        dataset = self.experiment.datasets[unit.axes[0]]
        count = sum(_counts(dataset).values())
        if dataset.source.name not in MADE_HERE:
            size = sum(archive.bytes for archive in _format(dataset.format).archives)
            return Cost(1, count, 0.0, size, size)
        took, each, _ = self._drawn(dataset)
        return Cost(1, count, self.start + count * took, round(count * each))

    def _shard(self, unit: Unit) -> Cost:
        dataset = self.experiment.datasets[unit.axes[0]]
        count = sum(_counts(dataset).values())
        shards, took = self._sharded(dataset)
        threads = self.experiment.compute.threads
        if dataset.source.name not in MADE_HERE and dataset.resolution is not None:
            whole = full_size_cost(_format(dataset.format), dataset.resolution, dataset.encoding, threads, 1 / took)
            return Cost(1, count, 3600 * whole.hours, whole.shards, scratch=whole.extracted)
        size = sum(file.stat().st_size for file in shards.folder.glob("*.tar")) / shards.count
        return Cost(1, count, self.start + count * took / threads, round(count * size))

    def _extractor(self, unit: Unit) -> Cost:
        chosen = self.experiment.evaluation.extractor
        if chosen is None:
            return Cost(1, 0, self.start)
        extractor = extractor_of(chosen)
        return Cost(1, 0, self.start, extractor.bytes, extractor.bytes if extractor.fetched else 0)

    def _extract(self, unit: Unit) -> Cost:
        if evaluation_for(self.experiment, unit.axes[0]).extractor is None:
            return Cost(1, 0, self.start)
        dataset = self.experiment.datasets[unit.axes[0]]
        train, held_out = self._real(dataset)
        shards, _ = self._sharded(dataset)
        count = train + (1 + len(degraded(real_samples(shards, subset_indices(shards.count, 2))))) * held_out
        took, size = self._extraction(dataset)
        return Cost(1, count, self.start + count * took, count * size)

    def _reference(self, unit: Unit) -> Cost:
        dataset = self.experiment.datasets[unit.axes[0]]
        count = sum(self._real(dataset))
        return Cost(1, count, self.start + count * self._scoring(unit.axes[0]))

    def _train(self, unit: Unit) -> Cost:
        dataset = self.experiment.datasets[unit.axes[0]]
        times, trainer = self._step_times(unit.axes[1], dataset)
        done, training = iteration_of(unit), trainer.training
        share = min(training.validation_images, _counts(dataset)["validation"]) / trainer.held_out.count
        took = seconds(replace(times, row=times.row * share), trainer, done)
        counts = {file: parameter_count(module) for file, module in trainer.exported().items()}
        scored = trainer.model.scored
        kept = sum(count for file, count in counts.items() if file.removesuffix("_ema") == scored)
        size = 4 * (sum(counts.values()) + snapshots(training) * kept) + grids(training) * times.grid_bytes
        return Cost(1, images_used(trainer, done), self.start + took, size)

    def _generate(self, unit: Unit) -> Cost:
        name = unit.axes[0]
        dataset, evaluation = self.experiment.datasets[name], evaluation_for(self.experiment, name)
        making = self._making(unit)
        extracting, size = self._extraction(dataset) if evaluation.extractor else (0.0, 0)
        took, count, kept = 0.0, 0, 0
        if evaluation.curve:
            _, trainer = self._step_times(unit.axes[1], dataset)
            metric = curve_metric(evaluation.curve)
            each = making + (extracting if metric.compares == "features" else 0) + self._metric(dataset, metric)
            count = (snapshots(trainer.training) + 1) * evaluation.curve.images
            took += count * each
        if evaluation.extractor:
            sets = 2 if evaluation.curve else 1
            kept = sets * evaluation.images
            took += kept * (making + extracting)
        return Cost(1, count + kept, self.start + took, kept * size)

    def _evaluate(self, unit: Unit) -> Cost:
        evaluation = evaluation_for(self.experiment, unit.axes[0])
        count = (2 if evaluation.curve else 1) * evaluation.images
        return Cost(1, count, self.start + count * (self._making(unit) + self._scoring(unit.axes[0])))

    def _making(self, unit: Unit) -> float:
        """Seconds of an image by the generator of a variant."""
        evaluation = self.experiment.evaluation
        _, trainer = self._step_times(unit.axes[1], self.experiment.datasets[unit.axes[0]])
        latent, classes = trainer.training.latent, trainer.model.classes
        make = (trainer.scored, SCORED, latent, evaluation.batch_size, 0, self.device, classes)
        return _timed(lambda: generate_samples(*make))[0] / SCORED

    def _real(self, dataset: Dataset) -> tuple[int, int]:
        """How many real samples of each split are looked at."""
        most, counts = self.experiment.evaluation.max_real_images, _counts(dataset)
        return min(most, counts["train"]), min(most, counts["validation"])

    @cached_property
    def start(self) -> float:
        """Seconds until a stage's process has imported what it runs."""
        return _timed(lambda: subprocess.run([sys.executable, "-c", IMPORTS], cwd=PACKAGE.parent, check=True))[0]

    @cached_property
    def extraction(self) -> Extraction | None:
        """The extractor, if its weights are here or need no network."""
        evaluation = self.experiment.evaluation
        if evaluation.extractor is None:
            return None
        extractor = extractor_of(evaluation.extractor)
        folder = STAGES["extractor"].folder(self.experiment.experiment)
        if not (folder / WEIGHTS).exists():
            if extractor.fetched:
                self.unmeasured = True
                return None
            folder = self.scratch / "extractor"
            extractor.provide(folder / WEIGHTS)
        return extraction_of(evaluation, folder, self.device)

    def _extraction(self, dataset: Dataset) -> tuple[float, int]:
        """Seconds and bytes of the features of an image."""
        extraction = self.extraction
        if extraction is None:
            return 0.0, 0
        images = self._tried(dataset).values
        extraction.of(images)
        took, found = _timed(lambda: extraction.of(images))
        return took / len(images), 4 * (found.features.shape[1] + found.logits.shape[1])

    def _scoring(self, name: str) -> float:
        """Seconds of all metrics for an image; of those that compare features, which take longer the more there are,
        too few."""
        metrics = metrics_of(evaluation_for(self.experiment, name)).values()
        return sum(self._metric(self.experiment.datasets[name], metric) for metric in metrics)

    def _metric(self, dataset: Dataset, metric: Metric) -> float:
        known = (dataset.format, dataset.shape[0], type(metric).__name__)
        if known not in self.scoring:
            samples = self._tried(dataset)
            able = "labels" in samples.known or not metric.needs_labels
            if metric.compares == "features":
                if self.extraction is None:
                    return 0.0
                samples |= self.extraction.of(samples.values)
            work = lambda: metric.score(metric.prepare(samples), samples, samples)  # noqa: E731
            self.scoring[known] = _timed(work)[0] / (2 * len(samples)) if able else 0.0
        return self.scoring[known]

    def _tried(self, dataset: Dataset) -> Samples:
        """A few samples of a dataset, labelled if it is."""
        shards, _ = self._sharded(dataset)
        chosen = subset_indices(shards.count, SCORED)
        return Samples(real_samples(shards, chosen), real_labels(shards, chosen))

    def _drawn(self, dataset: Dataset) -> tuple[float, float, Path]:
        """Seconds and bytes of a drawing in a dataset's format, or of a point, and the folder of its archives."""
        form, name = (
            _format(dataset.format),
            f"{dataset.format}-{dataset.dimension}" if dataset.dimension else dataset.format,
        )
        folder = self.scratch / name / "raw"
        if name not in self.drawings:
            log(f"plan: drawing {DRAWN} samples of {dataset.format}")
            folder.mkdir(parents=True)
            took, _ = _timed(lambda: _source(dataset).provide(form, folder))
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
            about = partial(write_shards, dataset="tried", split="train", shape=dataset.shape, shard_size=DRAWN)
            work = partial(about, samples, folder, classes=classes, encoding=dataset.encoding, resize=dataset.resize)
            took, _ = _timed(work)
            self.shards[folder] = took / DRAWN
        return Shards(folder), self.shards[folder]

    def _step_times(self, variant: str, dataset: Dataset) -> tuple[StepTimes, Trainer]:
        """The step times of a variant at a dataset's resolution, and the trainer that they were measured by."""
        key = (variant, dataset.format, dataset.shape[0])
        if key not in self.times:
            log(f"plan: a few iterations of {variant} on samples of {' x '.join(map(str, dataset.shape))}")
            shards, _ = self._sharded(dataset)
            chosen, training = self.experiment.variants[variant], self.experiment.training_of(variant)
            task = Task(variant, chosen, training, dataset.shape, bool(shards.classes))
            model = method_of(task).build(task, Data(len(shards.classes), shards.first), 0, self.device)
            trainer = Trainer(variant, model, training, 0, self.device, shards, shards)
            self.times[key] = measured(trainer), trainer
        return self.times[key]


def _format(name: str) -> Format:
    return component(Format, Choice(name=name), "datasets")


def _source(dataset: Dataset) -> Source:
    """What makes a few samples of a dataset's format and shape."""
    if dataset.dimension is None:
        return Rendered(train=DRAWN, validation=1)
    at_zero = Choice(name="gaussian", settings={"mean": [0.0] * dataset.dimension})
    return Sampled(distribution=at_zero, train=DRAWN, validation=1)


def _counts(dataset: Dataset) -> dict[str, int]:
    """Samples of each split: as the source says, or as the official archives hold."""
    form = _format(dataset.format)
    return component(Source, dataset.source, "datasets").counts(form) or form.images


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    done = work()
    return time.perf_counter() - began, done
