"""The cost of each unit of work on this machine, from measurements of a few samples and steps."""

from dataclasses import dataclass, replace
from pathlib import Path

from ganflow.config import Dataset, Experiment
from ganflow.data.costs import full_size_cost
from ganflow.evaluation.degradations import degraded
from ganflow.evaluation.interfaces import curve_metric, extractor_of
from ganflow.evaluation.sample_sets import real_samples, subset_indices
from ganflow.networks.building import parameter_count
from ganflow.stages.measurements import Measurements, format_of, sample_counts
from ganflow.stages.sections import evaluation_for
from ganflow.stages.status import iteration_of
from ganflow.stages.units import Unit
from ganflow.training.step_times import grids, images_used, seconds, snapshots

SYNTHETIC = ("rendered", "sampled")  # sources


@dataclass
class Cost:
    """The cost of one or several units; `fetched` bytes are downloaded, `scratch` ones are deleted at the end."""

    units: int = 0
    images: int = 0
    seconds: float = 0.0
    bytes: int = 0
    fetched: int = 0
    scratch: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(getattr(self, name) + getattr(other, name) for name in vars(self)))


class CostModel:
    """Estimates the cost of units."""

    def __init__(self, experiment: Experiment, device: str, scratch: Path):
        self.experiment, self.measured = experiment, Measurements(experiment, device, scratch)

    @property
    def unmeasured(self) -> bool:
        """Whether some work needs an extractor whose weights are not available here."""
        return self.measured.extractor_missing

    def cost(self, unit: Unit) -> Cost:
        """The cost of one unit; its seconds include the start of the process."""
        estimate = {
            "download": self._download,
            "shard": self._shard,
            "extractor": self._extractor,
            "extract": self._extract,
            "reference": self._reference,
            "train": self._train,
            "generate": self._generate,
            "evaluate": self._evaluate,
        }.get(unit.stage, lambda unit: Cost())
        found = estimate(unit)
        return replace(found, units=1, seconds=found.seconds + (0 if found.fetched else self.measured.start))

    def _dataset(self, unit: Unit) -> Dataset:
        return self.experiment.datasets[unit.axes[0]]

    def _download(self, unit: Unit) -> Cost:
        dataset = self._dataset(unit)
        count = sum(sample_counts(dataset).values())
        if dataset.source.name not in SYNTHETIC:
            size = sum(archive.bytes for archive in format_of(dataset).archives)
            return Cost(images=count, bytes=size, fetched=size)
        took, size_of_one, _ = self.measured.rendering(dataset)
        return Cost(images=count, seconds=count * took, bytes=round(count * size_of_one))

    def _shard(self, unit: Unit) -> Cost:
        dataset = self._dataset(unit)
        count = sum(sample_counts(dataset).values())
        shards, took = self.measured.sharding(dataset)
        threads = self.experiment.compute.threads
        if dataset.source.name not in SYNTHETIC and dataset.resolution is not None:
            full = full_size_cost(format_of(dataset), dataset.resolution, dataset.encoding, threads, 1 / took)
            return Cost(images=count, seconds=3600 * full.hours, bytes=full.shards, scratch=full.extracted)
        size = sum(file.stat().st_size for file in shards.folder.glob("*.tar")) / shards.count
        return Cost(images=count, seconds=count * took / threads, bytes=round(count * size))

    def _extractor(self, unit: Unit) -> Cost:
        chosen = self.experiment.evaluation.extractor
        if chosen is None:
            return Cost()
        extractor = extractor_of(chosen)
        return Cost(bytes=extractor.bytes, fetched=extractor.bytes if extractor.fetched else 0)

    def _extract(self, unit: Unit) -> Cost:
        if evaluation_for(self.experiment, unit.axes[0]).extractor is None:
            return Cost()
        dataset = self._dataset(unit)
        train, held_out = self._real(dataset)
        shards, _ = self.measured.sharding(dataset)
        count = train + (1 + len(degraded(real_samples(shards, subset_indices(shards.count, 2))))) * held_out
        took, size = self.measured.extracting(dataset)
        return Cost(images=count, seconds=count * took, bytes=count * size)

    def _reference(self, unit: Unit) -> Cost:
        count = sum(self._real(self._dataset(unit)))
        return Cost(images=count, seconds=count * self.measured.scoring(unit.axes[0]))

    def _train(self, unit: Unit) -> Cost:
        dataset = self._dataset(unit)
        times, trainer = self.measured.training(unit.axes[1], dataset)
        done, training = iteration_of(unit), trainer.training
        measured = sum(part.count for part in trainer.held_out.values())
        share = min(training.validation_images, sample_counts(dataset)["validation"]) / measured
        took = seconds(replace(times, row=times.row * share), trainer, done)
        counts = {file: parameter_count(module) for file, module in trainer.exported().items()}
        scored = trainer.model.scored
        snapshot = sum(count for file, count in counts.items() if file.removesuffix("_ema") == scored)
        size = 4 * (sum(counts.values()) + snapshots(training) * snapshot) + grids(training) * times.grid_bytes
        return Cost(images=images_used(trainer, done), seconds=took, bytes=size)

    def _generate(self, unit: Unit) -> Cost:
        dataset, evaluation = self._dataset(unit), evaluation_for(self.experiment, unit.axes[0])
        generating = self.measured.generating(*unit.axes[:2])
        extracting, size = self.measured.extracting(dataset) if evaluation.extractor else (0.0, 0)
        took, count, stored = 0.0, 0, 0
        if curve := evaluation.curve:
            _, trainer = self.measured.training(unit.axes[1], dataset)
            metric = curve_metric(curve)
            features = extracting if metric.compares == "features" else 0
            count = (snapshots(trainer.training) + 1) * curve.images
            took += count * (generating + features + self.measured.metric(dataset, metric))
        if evaluation.extractor:
            stored = (2 if evaluation.curve else 1) * evaluation.images
            took += stored * (generating + extracting)
        return Cost(images=count + stored, seconds=took, bytes=stored * size)

    def _evaluate(self, unit: Unit) -> Cost:
        evaluation = evaluation_for(self.experiment, unit.axes[0])
        count = (2 if evaluation.curve else 1) * evaluation.images
        each = self.measured.generating(*unit.axes[:2]) + self.measured.scoring(unit.axes[0])
        return Cost(images=count, seconds=count * each)

    def _real(self, dataset: Dataset) -> tuple[int, int]:
        """Numbers of training and held-out samples that scores use."""
        limit, counts = self.experiment.evaluation.max_real_images, sample_counts(dataset)
        return min(limit, counts["train"]), min(limit, counts["validation"])
