"""Published scores of methods and how their protocols differ from ours.

Only scores of the same name are compared: FID, KID and Inception Score need the official Inception weights, so scores
by another extractor have no counterpart. Facts that a source omits are reported as not stated.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ganflow.reporting.runs import RunRecord
from ganflow.reporting.tables import Row

KINDS = {  # {method: (objectives, constraint)}
    "gan": (("minimax", "non_saturating"), "none"),
    "lsgan": (("least_squares",), "none"),
    "wgan": (("wasserstein",), "weight_clipping"),
    "wgan_gp": (("wasserstein",), "gradient_penalty"),
}


@dataclass(frozen=True)
class PublishedScore:
    """A published score with its protocol; None: not stated."""

    dataset: str  # format
    method: str
    score: str
    value: float
    deviation: float | None
    source: str
    kind: str = ""  # of KINDS, where the method is one of ours
    conditional: bool = False
    images: int | None = None
    real_images: int | None = None
    split: str | None = None  # of the real images
    extractor: str | None = None  # the pipeline around Inception
    chosen: str | None = None  # "final" or "best", the iteration
    splits: int | None = None  # of an Inception Score
    resolution: int = 32

    def __str__(self) -> str:
        decimals = len(str(self.value).partition(".")[2])
        return str(self.value) + ("" if self.deviation is None else f" ± {self.deviation:.{decimals}f}")


@dataclass(frozen=True)
class Comparison:
    """A published score, our variants of the same method, and the differences in protocol."""

    published: PublishedScore
    possible: bool  # whether our runs have this score
    ours: list[Row]
    differences: list[str]


def compared(numbers: Iterable[PublishedScore], rows: list[Row]) -> list[Comparison]:
    """Compares published scores with the rows of one dataset."""
    protocol = rows[0].runs[0].score["protocol"]
    found = []
    for one in numbers:
        having = [row for row in rows if one.score in row.cells]
        possible = bool(having)
        ours = of_same_kind(one, having)
        found.append(Comparison(one, possible, ours, differences(one, protocol)))
    return found


def differences(published: PublishedScore, protocol: Mapping[str, Any]) -> list[str]:
    """Known and possible differences in protocol, a few words each."""
    found = [_count("images", published.images, protocol["images"])]
    if published.score != "inception_score":
        found.append(_count("real images", published.real_images, protocol["real_images"]))
        found.append(_fact("split", published.split, protocol["real_split"]))
    whose = (protocol["extractor"] or {}).get("name")
    if whose != "inception":
        found.append(f"extractor: Inception, ours {whose or 'none'}")
    elif published.extractor is None:
        found.append("pipeline around Inception: not stated")
    elif published.extractor != "TensorFlow":
        found.append(f"pipeline around Inception: {published.extractor}")
    splits = protocol["metrics"].get("classifier_score", {}).get("splits")
    if published.score == "inception_score" and splits is not None:
        found.append(_fact("splits", published.splits, splits))
    found.append(_fact("iteration", published.chosen, protocol["iteration"]))
    if protocol["weights"] == "ema":
        found.append("weights: not stated, ours averaged")
    return [words for words in found if words]


def _count(name: str, theirs: int | None, ours: int) -> str:
    return _fact(name, None if theirs is None else f"{theirs:,}", f"{ours:,}")


def _fact(name: str, theirs: Any, ours: Any) -> str:
    """The difference in words; empty if both are equal."""
    if theirs is None:
        return f"{name}: not stated, ours {ours}"
    return "" if theirs == ours else f"{name}: {theirs}, ours {ours}"


def of_same_kind(published: PublishedScore, rows: list[Row]) -> list[Row]:
    """Our variants whose objective, constraint and use of classes are those of a published method."""
    objectives, constraint = KINDS.get(published.kind, ((), ""))
    return [
        row
        for row in rows
        if row.runs[0].component("objective") in objectives
        and row.runs[0].component("constraint") == constraint
        and _conditional(row.runs[0]) == published.conditional
    ]


def _conditional(run: RunRecord) -> bool:
    return run.component("conditioning") not in (None, "none")
