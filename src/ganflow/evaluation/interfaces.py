"""Interfaces of evaluation: metrics, which score a set of samples against a real set, and extractors, fixed networks
that compute the features which some metrics compare."""

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from ganflow.components import Component, component, components_of
from ganflow.config import Choice, Curve, Evaluation
from ganflow.errors import UserError

if TYPE_CHECKING:  # the stage that fetches weights starts without torch
    from torch import Tensor, nn

WEIGHTS = "weights.pth"  # in the extractor's folder

Direction = Literal["lower", "higher"]
Worse = Literal["noise", "outliers", "uniform", "fewer_classes", "blend", "repeats", "copies"]  # of samples


class Samples:
    """A set of n real or generated samples; `known` holds the available fields.

    `values`: images, uint8 (n, 3, H, W), or points, float32 (n, d); `labels`: int64 (n,); `features` (n, f) and
    `logits` (n, k): an extractor's, float32; `targets`: what each image should be, uint8 (n, 3, H, W). Reading a field
    that is not available raises LookupError.
    """

    def __init__(
        self,
        values: "Tensor | None" = None,
        labels: "Tensor | None" = None,
        features: "Tensor | None" = None,
        logits: "Tensor | None" = None,
        targets: "Tensor | None" = None,
    ):
        parts = {"values": values, "labels": labels, "features": features, "logits": logits, "targets": targets}
        self.known = {name: part for name, part in parts.items() if part is not None}

    def __len__(self) -> int:
        return len(next(iter(self.known.values())))

    def __or__(self, other: "Samples") -> "Samples":
        """The same samples with the fields of `other` in addition."""
        return Samples(**(self.known | other.known))

    @property
    def values(self) -> "Tensor":
        return self._part("values")

    @property
    def labels(self) -> "Tensor":
        return self._part("labels")

    @property
    def features(self) -> "Tensor":
        return self._part("features")

    @property
    def logits(self) -> "Tensor":
        return self._part("logits")

    @property
    def targets(self) -> "Tensor":
        return self._part("targets")

    def to(self, device: str) -> "Samples":
        """The same samples on a device; those that are there are not copied."""
        return Samples(**{name: part.to(device) for name, part in self.known.items()})

    def take(self, which: "Tensor | slice") -> "Samples":
        """A subset, by indices or a mask."""
        return Samples(**{name: part[which] for name, part in self.known.items()})

    def _part(self, name: str) -> "Tensor":
        if name not in self.known:
            raise LookupError(
                f"samples without {name}, with {', '.join(self.known) or 'nothing'}; a metric gets the fields that "
                "its `compares` and `needs_labels` declare"
            )
        return self.known[name]


class Metric(Component):
    """Computes one or several scores of a set of samples against a real set."""

    folder: ClassVar = "evaluation.metrics"
    compares: ClassVar[Literal["images", "points", "features", "translations"]]  # features come with logits,
    # translations with their targets
    better: ClassVar[dict[str, Direction]]  # {score: which direction is better}
    continuous: ClassVar[tuple[str, ...]] = ()  # scores that are equal for two sets only if they hardly depend on them
    literature_name: ClassVar[dict[str, str]] = {}  # {score: name with the literature's Inception weights}
    needs_labels: ClassVar[bool] = False  # not computed for datasets without labels
    on_device: ClassVar[bool] = False  # gets features on the stage's device, and keeps tensors there; else on the CPU
    sensitive_to: ClassVar[dict[str, tuple[str, ...]]] = {}  # {score: degradations that must worsen it}; default: all
    worsened_by: ClassVar[
        dict[str, tuple[Worse, ...]]
    ]  # {score: changes of samples that must worsen it, for its contract test}

    def prepare(self, real: Samples) -> "dict[str, Tensor]":
        """Statistics of the real samples, computed once and stored; only here `real` has images or points."""
        return {}

    @abstractmethod
    def score(self, prepared: "dict[str, Tensor]", real: Samples, samples: Samples) -> dict[str, float]:
        """{score: value} for the names of `better`; `<score>_std`: standard deviation over parts of the set."""


class Extractor(Component):
    """A network with fixed weights, from a file with a known sha256."""

    folder: ClassVar = "evaluation.extractors"
    literature: ClassVar[str | None] = None  # sha256 of the weights that define FID, KID and IS
    fetched: ClassVar[bool]  # whether the weights are downloaded
    bytes: ClassVar[int]  # of the weights

    @property
    @abstractmethod
    def resize(self) -> str:
        """How images are resized for the network, for the protocol."""

    @property
    def computation(self) -> str:
        """What of the published network is computed otherwise, for the protocol; nothing by default."""
        return ""

    @abstractmethod
    def provide(self, target: Path) -> None:
        """Puts the published weights at `target`, verified; raises UserError if they are not available."""

    @abstractmethod
    def network(self, weights: Path) -> "nn.Module":
        """A module in evaluation mode that maps images, uint8 (n, 3, H, W), to features (n, f) and logits (n, k)."""


@dataclass(frozen=True)
class Identity:
    """An extractor in the protocol: name, sha256 of the weights, and descriptions of resize and computation."""

    name: str
    sha256: str
    resize: str
    literature: bool  # whether its scores are FID, KID and IS
    computation: str = ""


def metrics_of(evaluation: Evaluation) -> dict[str, Metric]:
    """{name: metric} of params.yaml; raises UserError for an unknown or repeated one."""
    return components_of(Metric, evaluation.metrics, "evaluation.metrics")


def curve_metric(curve: Curve) -> Metric:
    """The metric of the scores over training."""
    return component(Metric, curve.metric, "evaluation.curve.metric")


def extractor_of(choice: Choice) -> Extractor:
    """The extractor of params.yaml."""
    return component(Extractor, choice, "evaluation.extractor")


def score_names(metric: Metric, identity: Identity | None) -> dict[str, str]:
    """{a metric's name of a score: its full name}, which for features ends with the extractor's name.

    Only the literature's Inception weights give FID, KID and Inception Score. Raises UserError if the metric needs an
    extractor and there is none.
    """
    if metric.compares != "features":
        return {score: score for score in metric.better}
    if identity is None:
        raise UserError(
            f"params.yaml: evaluation.extractor: is missing, and {', '.join(metric.better)} needs one; set it"
        )
    known = metric.literature_name if identity.literature else {}
    return {score: known.get(score, f"{score}_{identity.name}") for score in metric.better}
