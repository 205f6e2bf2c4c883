"""What a metric and an extractor are: scores of one set of samples against a real one, and a fixed network from images
to the features that some of them compare."""

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from torch import Tensor, nn

from ganflow.components import Component, component
from ganflow.config import Choice, Curve, Evaluation
from ganflow.errors import UserError

Direction = Literal["lower", "higher"]
Worse = Literal["noise", "outliers", "uniform", "fewer_classes", "blend", "repeats", "copies"]  # than real samples


class Samples:
    """A set of n samples, real or generated, with what is known of each: `known` has it by name.

    `values` are images, uint8 (n, 3, H, W), or points, float32 (n, d); `labels` int64 (n,); `features` (n, f) and
    `logits` (n, k) are an extractor's, float32. To read what is not known raises LookupError.
    """

    def __init__(
        self,
        values: Tensor | None = None,
        labels: Tensor | None = None,
        features: Tensor | None = None,
        logits: Tensor | None = None,
    ):
        parts = {"values": values, "labels": labels, "features": features, "logits": logits}
        self.known = {name: part for name, part in parts.items() if part is not None}

    def __len__(self) -> int:
        return len(next(iter(self.known.values())))

    def __or__(self, other: "Samples") -> "Samples":
        """The same samples with what `other` knows of them too."""
        return Samples(**(self.known | other.known))

    @property
    def values(self) -> Tensor:
        return self._part("values")

    @property
    def labels(self) -> Tensor:
        return self._part("labels")

    @property
    def features(self) -> Tensor:
        return self._part("features")

    @property
    def logits(self) -> Tensor:
        return self._part("logits")

    def take(self, which: Tensor | slice) -> "Samples":
        """Some of the samples, by their indices or a mask."""
        return Samples(**{name: part[which] for name, part in self.known.items()})

    def _part(self, name: str) -> Tensor:
        if name not in self.known:
            raise LookupError(
                f"samples without {name}, with {', '.join(self.known) or 'nothing'}; a metric gets what its `compares` "
                "and `needs_labels` declare"
            )
        return self.known[name]


class Metric(Component):
    """One or several scores of a set of samples, each against the same real ones."""

    folder: ClassVar = "evaluation.metrics"
    compares: ClassVar[Literal["images", "points", "features"]]  # features come with logits
    better: ClassVar[dict[str, Direction]]  # {score: which direction is better}
    literature_name: ClassVar[dict[str, str]] = {}  # {score: name with the literature's Inception weights}
    needs_labels: ClassVar[bool] = False  # not computed for datasets without labels
    sensitive_to: ClassVar[dict[str, tuple[str, ...]]] = {}  # {score: degradations that must worsen it}; default: all
    worsened_by: ClassVar[dict[str, tuple[Worse, ...]]]  # {score: what its contract's test makes samples worse by}

    def prepare(self, real: Samples) -> dict[str, Tensor]:
        """What the score needs of the real samples besides their features, logits and labels; computed once and kept.

        Images and points are given here alone.
        """
        return {}

    @abstractmethod
    def score(self, prepared: dict[str, Tensor], real: Samples, samples: Samples) -> dict[str, float]:
        """The scores, under the names of `better`; `<score>_spread` is the deviation of one over parts of the set."""


class Extractor(Component):
    """A network with fixed weights, which come as a file of a known sha256."""

    folder: ClassVar = "evaluation.extractors"
    literature: ClassVar[str | None] = None  # sha256 of the weights with which scores have the literature's names
    fetched: ClassVar[bool]  # whether the weights come over the network
    bytes: ClassVar[int]  # of the weights

    @property
    @abstractmethod
    def resize(self) -> str:
        """How images come to the size that the network takes, in words, for protocols."""

    @abstractmethod
    def provide(self, target: Path) -> None:
        """Puts the weights at `target` as they were published; raises UserError if they can't be had unaltered."""

    @abstractmethod
    def network(self, weights: Path) -> nn.Module:
        """A module in evaluation mode from images, uint8 (n, 3, H, W), to features, (n, f), and logits, (n, k)."""


@dataclass(frozen=True)
class Identity:
    """Whose features are compared: the extractor, its weights' sha256 and its resize in words, for protocols."""

    name: str
    sha256: str
    resize: str
    literature: bool  # whether scores by it have the names of the literature


def metrics_of(evaluation: Evaluation) -> dict[str, Metric]:
    """{name: metric} as params.yaml asks for them; raises UserError for an unknown or repeated one."""
    found: dict[str, Metric] = {}
    for index, choice in enumerate(evaluation.metrics):
        where = f"evaluation.metrics.{index}"
        if choice.name in found:
            raise UserError(f"params.yaml: {where} = {choice.name!r}: stands there twice; keep one")
        found[choice.name] = component(Metric, choice, where)
    return found


def curve_metric(curve: Curve) -> Metric:
    """The metric of the scores over training."""
    return component(Metric, curve.metric, "evaluation.curve.metric")


def extractor_of(choice: Choice) -> Extractor:
    """The extractor that params.yaml names."""
    return component(Extractor, choice, "evaluation.extractor")


def score_names(metric: Metric, identity: Identity | None) -> dict[str, str]:
    """{a metric's name of a score: the name that the score carries}; by features, it says whose they are.

    The names FID, KID and Inception Score belong to one set of weights alone. Raises UserError if there is no extractor
    and the metric needs one.
    """
    if metric.compares != "features":
        return {score: score for score in metric.better}
    if identity is None:
        raise UserError(
            f"params.yaml: evaluation.extractor: is absent, and {', '.join(metric.better)} needs one; name it"
        )
    known = metric.literature_name if identity.literature else {}
    return {score: known.get(score, f"{score}_{identity.name}") for score in metric.better}
