"""Measurements on this machine for cost estimates: a few samples in the format of each dataset are rendered, written as
shards and scored, and each kind of training runs a few steps of each of its players. Each is measured once."""

import subprocess
import sys
import time
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

from ganflow.components import component, components_of
from ganflow.config import Choice, Dataset, Experiment
from ganflow.data.interfaces import Condition, Format, Source
from ganflow.data.reader import Shards
from ganflow.data.sources.rendered import Rendered
from ganflow.data.sources.sampled import Sampled
from ganflow.data.writing import write_shards
from ganflow.evaluation.extraction import Extraction, extraction_of
from ganflow.evaluation.generated_samples import Given, generate_samples
from ganflow.evaluation.interfaces import WEIGHTS, Metric, Samples, extractor_of, metrics_of
from ganflow.evaluation.sample_sets import real_labels, real_samples, subset_indices
from ganflow.methods.interfaces import Data, Task
from ganflow.methods.tasks import method_of
from ganflow.progress import log
from ganflow.stages.digests import PACKAGE
from ganflow.stages.graph import STAGES
from ganflow.stages.sections import evaluation_for
from ganflow.training.loop import Trainer
from ganflow.training.step_times import StepTimes, measured

RENDERED = 50  # samples, a multiple of five as CIFAR-10's batches need it
SCORED = 50  # samples
IMPORTS = "import ganflow.stages.train"

T = TypeVar("T")


class Measurements:
    """Seconds and bytes of one sample by kind of work."""

    def __init__(self, experiment: Experiment, device: str, scratch: Path):
        self.experiment, self.device, self.scratch = experiment, device, scratch
        self.rendered: dict[str, tuple[float, float]] = {}  # by format: seconds and bytes of a sample
        self.sharded: dict[Path, float] = {}  # by folder: seconds of a sample
        self.trainings: dict[tuple[str, str, int], tuple[StepTimes, Trainer]] = {}
        self.scored: dict[tuple[str, int, str], float] = {}  # by (format, side, metric): seconds of a sample
        self.extractor_missing = False

    @cached_property
    def start(self) -> float:
        """Seconds until the process of a stage has imported its modules."""
        return _timed(lambda: subprocess.run([sys.executable, "-c", IMPORTS], cwd=PACKAGE.parent, check=True))[0]

    def rendering(self, dataset: Dataset) -> tuple[float, float, Path]:
        """Seconds and bytes of a synthetic sample in a dataset's format, and the folder of its archives."""
        name = f"{dataset.format}-{dataset.dimension}" if dataset.dimension else dataset.format
        folder = self.scratch / name / "raw"
        if name not in self.rendered:
            log(f"plan: rendering {RENDERED} samples of {dataset.format}")
            folder.mkdir(parents=True)
            took, _ = _timed(lambda: _source(dataset).provide(format_of(dataset), folder))
            size = sum(file.stat().st_size for file in folder.rglob("*"))
            self.rendered[name] = took / (RENDERED + 1), size / (RENDERED + 1)
        return *self.rendered[name], folder

    def sharding(self, dataset: Dataset) -> tuple[Shards, float]:
        """Shards of synthetic samples at a dataset's resolution, and the seconds of one sample in one process."""
        form, source = format_of(dataset), _source(dataset)
        _, _, raw = self.rendering(dataset)
        conditions = components_of(Condition, dataset.conditions, "conditions")
        also = "".join(f"-{name}" for name in conditions)
        folder = self.scratch / dataset.format / f"{dataset.shape[0]}-{dataset.encoding}-{dataset.resize}{also}"
        if folder not in self.sharded:
            took, _ = _timed(
                lambda: write_shards(
                    form.samples(raw, "train"),
                    folder,
                    dataset="measured",
                    split="train",
                    shape=dataset.shape,
                    shard_size=RENDERED,
                    classes=form.classes(raw),
                    encoding=dataset.encoding,
                    conditions=conditions,
                    attributes=source.attributes(form),
                    scene=partial(source.scene, form, "train"),
                    resize=dataset.resize,
                )
            )
            self.sharded[folder] = took / RENDERED
        return Shards(folder), self.sharded[folder]

    def extracting(self, dataset: Dataset) -> tuple[float, int]:
        """Seconds and bytes of the features of an image."""
        extraction = self._extraction
        if extraction is None:
            return 0.0, 0
        images = self._samples(dataset).values
        extraction.of(images)  # warm-up
        took, found = _timed(lambda: extraction.of(images))
        return took / len(images), 4 * (found.features.shape[1] + found.logits.shape[1])

    def scoring(self, name: str) -> float:
        """Seconds of all metrics for a sample of a dataset; too few for metrics of features, which scale worse."""
        metrics = metrics_of(evaluation_for(self.experiment, name)).values()
        return sum(self.metric(self.experiment.datasets[name], metric) for metric in metrics)

    def metric(self, dataset: Dataset, metric: Metric) -> float:
        """Seconds of a metric for a sample."""
        key = (dataset.format, dataset.shape[0], type(metric).__name__)
        if key not in self.scored:
            samples = self._samples(dataset)
            applies = "labels" in samples.known or not metric.needs_labels
            if metric.compares == "translations":
                samples |= Samples(targets=samples.values)
            if metric.compares == "features":
                if self._extraction is None:
                    return 0.0
                samples |= self._extraction.of(samples.values)
            work = lambda: metric.score(metric.prepare(samples), samples, samples)  # noqa: E731
            self.scored[key] = _timed(work)[0] / (2 * len(samples)) if applies else 0.0
        return self.scored[key]

    def generating(self, name: str, variant: str) -> float:
        """Seconds of a sample by the generator of a variant on a dataset."""
        _, trainer = self.training(variant, self.experiment.datasets[name])
        latent, classes = trainer.model.latent, trainer.model.classes
        settings = (SCORED, latent, self.experiment.evaluation.batch_size, 0, self.device, classes)
        translation = trainer.model.exports[trainer.model.scored].translation
        shards, _ = self.sharding(self.experiment.datasets[name])
        about = {"translation": translation.as_json | {"where": {}}} if translation else None
        given = Given(about, shards, self.device) if about else None
        return _timed(lambda: generate_samples(trainer.scored, *settings, given=given))[0] / SCORED

    def training(self, variant: str, dataset: Dataset) -> tuple[StepTimes, Trainer]:
        """The step times of a variant at a dataset's resolution, and the trainer used to measure them."""
        key = (variant, dataset.format, dataset.shape[0])
        if key not in self.trainings:
            log(f"plan: a few iterations of {variant} on samples of {' x '.join(map(str, dataset.shape))}")
            shards, _ = self.sharding(dataset)
            chosen, training = self.experiment.variants[variant], self.experiment.training_of(variant)
            conditions = components_of(Condition, dataset.conditions, "conditions")
            task = Task(variant, chosen, training, dataset.shape, bool(shards.classes), conditions=conditions)
            model = method_of(task).build(task, Data(len(shards.classes), shards.first), 0, self.device)
            model.roles = dict.fromkeys(model.roles, {})  # a few samples may have none of a domain
            trainer = Trainer(variant, model, training, 0, self.device, shards, shards)
            self.trainings[key] = measured(trainer), trainer
        return self.trainings[key]

    @cached_property
    def _extraction(self) -> Extraction | None:
        """The extractor, if its weights are here or need no download."""
        evaluation = self.experiment.evaluation
        if evaluation.extractor is None:
            return None
        extractor = extractor_of(evaluation.extractor)
        folder = STAGES["extractor"].folder(self.experiment.experiment)
        if not (folder / WEIGHTS).exists():
            if extractor.fetched:
                self.extractor_missing = True
                return None
            folder = self.scratch / "extractor"
            extractor.provide(folder / WEIGHTS)
        return extraction_of(evaluation, folder, self.device)

    def _samples(self, dataset: Dataset) -> Samples:
        """A few samples, with labels if the dataset has classes."""
        shards, _ = self.sharding(dataset)
        chosen = subset_indices(shards.count, SCORED)
        return Samples(real_samples(shards, chosen), real_labels(shards, chosen))


def format_of(dataset: Dataset) -> Format:
    """The format of a dataset."""
    return component(Format, Choice(name=dataset.format), "datasets")


def sample_counts(dataset: Dataset) -> dict[str, int]:
    """Samples of each split, from the source if it states them, else from the official archives."""
    form = format_of(dataset)
    return component(Source, dataset.source, "datasets").counts(form) or form.images


def _source(dataset: Dataset) -> Source:
    """A source of a few synthetic samples of a dataset's format and shape."""
    if dataset.dimension is None:
        return Rendered(train=RENDERED, validation=1)
    at_zero = Choice(name="gaussian", settings={"mean": [0.0] * dataset.dimension})
    return Sampled(distribution=at_zero, train=RENDERED, validation=1)


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    done = work()
    return time.perf_counter() - start, done
