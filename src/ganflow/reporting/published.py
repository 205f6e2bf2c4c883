"""What papers and other projects say that methods score, and in which ways their protocols differ from ours.

A number is only ever put beside one of ours of the same name: FID, KID and Inception Score are those of the official
Inception weights, so scores by another extractor stand beside none. What a source leaves out is said to be not stated.
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
class Published:
    """One published number with what is known of its protocol; None: not stated."""

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
    """A published number, our variants of its kind that have the same score, and what is different in how they came."""

    published: Published
    possible: bool  # whether we have that score at all
    ours: list[Row]
    differences: list[str]


def compared(numbers: Iterable[Published], rows: list[Row]) -> list[Comparison]:
    """Published numbers beside the rows of one dataset."""
    protocol = rows[0].runs[0].score["protocol"]
    found = []
    for one in numbers:
        possible = one.score in rows[0].cells
        ours = of_same_kind(one, rows) if possible else []
        found.append(Comparison(one, possible, ours, differences(one, protocol)))
    return found


def differences(published: Published, protocol: Mapping[str, Any]) -> list[str]:
    """In which ways a published number was made otherwise than ours, or may have been, a few words each."""
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
    """Empty if both are known to be alike."""
    if theirs is None:
        return f"{name}: not stated, ours {ours}"
    return "" if theirs == ours else f"{name}: {theirs}, ours {ours}"


def of_same_kind(published: Published, rows: list[Row]) -> list[Row]:
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
