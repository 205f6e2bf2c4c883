"""All metrics of an experiment: prepared on the real samples, stored as files, and evaluated under full score names."""

from collections.abc import Collection, Iterator
from pathlib import Path

from torch import Tensor

from ganflow.config import Evaluation
from ganflow.evaluation.extraction import identity_of
from ganflow.evaluation.interfaces import Metric, Samples, metrics_of, score_names
from ganflow.tensor_files import load_tensors, save_tensors
from ganflow.tensor_metadata import Tensors


class MetricSuite:
    """The metrics that apply to a set of samples: those that need labels are left out if there are none."""

    def __init__(
        self,
        evaluation: Evaluation,
        weights: Path,
        labelled: bool,
        device: str = "cpu",
        distributions: bool = True,
        translations: bool = False,
    ):
        """`weights` is the folder of the extractor; metrics that can compute on a `device`; with those of
        `distributions` and of `translations`, which samples of known targets are."""
        self.device = device
        self.identity = identity_of(evaluation, weights)
        self.metrics = {
            name: metric
            for name, metric in metrics_of(evaluation).items()
            if (labelled or not metric.needs_labels)
            and (translations if metric.compares == "translations" else distributions)
        }
        self.names = {name: score_names(metric, self.identity) for name, metric in self.metrics.items()}
        self.prepared: dict[str, dict[str, Tensor]] = {}

    def each(self) -> Iterator[tuple[Metric, dict[str, str]]]:
        """Yields (metric, {its name of a score: full name})."""
        return ((metric, self.names[name]) for name, metric in self.metrics.items())

    @property
    def better(self) -> dict[str, str]:
        """{full name: whether lower or higher is better}."""
        return {names[score]: better for metric, names in self.each() for score, better in metric.better.items()}

    @property
    def compares(self) -> dict[str, str]:
        """{full name: what the score compares, as its metric declares it}."""
        return {name: metric.compares for metric, names in self.each() for name in names.values()}

    @property
    def continuous(self) -> list[str]:
        """Full names of the scores that two different sets of samples have by chance only, to the last bit."""
        return [names[score] for metric, names in self.each() for score in metric.continuous]

    @property
    def needs_values(self) -> bool:
        """Whether any metric compares images or points instead of features."""
        return any(metric.compares != "features" for metric in self.metrics.values())

    def _device(self, metric: Metric) -> str:
        return self.device if metric.on_device else "cpu"

    def prepare(self, real: Samples) -> None:
        """Computes the metrics' statistics of the real samples."""
        for name, metric in self.metrics.items():
            self.prepared[name] = metric.prepare(real.to(self._device(metric)))

    def save(self, folder: Path) -> None:
        """Writes <metric>.safetensors for each metric."""
        for name, tensors in self.prepared.items():
            save_tensors(folder / f"{name}.safetensors", tensors, {"metric": name})

    def load(self, folder: Path) -> None:
        """Reads what `save` wrote; raises UserError if a file is missing or damaged."""
        for name, metric in self.metrics.items():
            if metric.compares == "translations":  # with their targets, not with the data
                self.prepared[name] = {}
                continue
            path = folder / f"{name}.safetensors"
            tensors, _ = load_tensors(path)
            self.prepared[name] = Tensors(path, {key: t.to(self._device(metric)) for key, t in tensors.items()})

    def scores(self, real: Samples, samples: Samples, wanted: Collection[str] | None = None) -> dict[str, float]:
        """{full name: value} of all metrics, or of those with a `wanted` score; `<name>_std` where there is one."""
        found: dict[str, float] = {}
        for name, metric in self.metrics.items():
            if wanted is not None and not set(wanted) & set(self.names[name].values()):
                continue
            device = self._device(metric)
            values = metric.score(self.prepared[name], real.to(device), samples.to(device))
            for score, full_name in self.names[name].items():
                found[full_name] = values[score]
                if f"{score}_std" in values:
                    found[f"{full_name}_std"] = values[f"{score}_std"]
        return found
