"""All metrics of an experiment at once: prepared on the real samples, kept as files, and asked for scores under the
names that these carry."""

from collections.abc import Collection, Iterator
from pathlib import Path

from torch import Tensor

from ganflow.config import Evaluation
from ganflow.evaluation.extraction import identity_of
from ganflow.evaluation.interfaces import Metric, Samples, metrics_of, score_names
from ganflow.tensor_files import load_tensors, save_tensors


class MetricSuite:
    """The metrics that say something of a dataset; those that need labels say nothing of one without."""

    def __init__(self, evaluation: Evaluation, weights: Path, labelled: bool):
        """`weights` is the folder of the extractor."""
        self.identity = identity_of(evaluation, weights)
        self.metrics = {
            name: metric for name, metric in metrics_of(evaluation).items() if labelled or not metric.needs_labels
        }
        self.names = {name: score_names(metric, self.identity) for name, metric in self.metrics.items()}
        self.prepared: dict[str, dict[str, Tensor]] = {}

    def each(self) -> Iterator[tuple[Metric, dict[str, str]]]:
        """(metric, {its name of a score: the name that the score carries})."""
        return ((metric, self.names[name]) for name, metric in self.metrics.items())

    @property
    def better(self) -> dict[str, str]:
        """{score: whether a lower or a higher one is better}."""
        return {names[score]: sense for metric, names in self.each() for score, sense in metric.better.items()}

    @property
    def needs_values(self) -> bool:
        """Whether any metric looks at images or points themselves."""
        return any(metric.compares != "features" for metric in self.metrics.values())

    def prepare(self, real: Samples) -> None:
        """Computes what the metrics need of the real samples."""
        self.prepared = {name: metric.prepare(real) for name, metric in self.metrics.items()}

    def save(self, folder: Path) -> None:
        """Writes <metric>.safetensors."""
        for name, tensors in self.prepared.items():
            save_tensors(folder / f"{name}.safetensors", tensors, {"metric": name})

    def load(self, folder: Path) -> None:
        """Reads what `save` wrote; raises UserError if a file is absent or damaged."""
        self.prepared = {name: load_tensors(folder / f"{name}.safetensors")[0] for name in self.metrics}

    def scores(self, real: Samples, samples: Samples, wanted: Collection[str] | None = None) -> dict[str, float]:
        """{score: value} of some samples by all metrics, or by those that give a `wanted` score; with `_spread`, the
        deviation of a score over its parts."""
        found: dict[str, float] = {}
        for name, metric in self.metrics.items():
            if wanted is not None and not set(wanted) & set(self.names[name].values()):
                continue
            values = metric.score(self.prepared[name], real, samples)
            for score, carried in self.names[name].items():
                found[carried] = values[score]
                if f"{score}_spread" in values:
                    found[f"{carried}_spread"] = values[f"{score}_spread"]
        return found
