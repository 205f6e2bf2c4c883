"""Interface of lessons, and the choice of runs that a lesson compares."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from ganflow.reporting.charts import by_variant
from ganflow.reporting.runs import RunRecord

CARD = (5.2, 1.9)  # inches: width, and height of a row, of a figure that is readable in a third of the page

Seeds = list[RunRecord]  # the runs of one variant on one dataset, one a seed


@dataclass(frozen=True)
class Picture:
    """A picture with what it shows, in words."""

    name: str  # of its file
    words: str
    png: bytes
    narrow: bool = False  # whether it stands beside others of its lesson


@dataclass(frozen=True)
class Lesson:
    """A statement of the lectures, whether the runs show it, and what they measured."""

    name: str
    title: str
    shown: bool
    sentence: str
    pictures: tuple[Picture, ...]


def is_gan(run: RunRecord) -> bool:
    """Whether it is the GAN of the first paper: a discriminator without any constraint."""
    return run.component("objective") in ("minimax", "non_saturating") and run.component("constraint") == "none"


def is_clipped(run: RunRecord) -> bool:
    """Whether it is WGAN with weight clipping."""
    return run.component("objective") == "wasserstein" and run.component("constraint") == "weight_clipping"


def is_penalised(run: RunRecord) -> bool:
    """Whether it is WGAN-GP."""
    return run.component("objective") == "wasserstein" and run.component("constraint") == "gradient_penalty"


def is_of(method: str) -> Callable[[RunRecord], bool]:
    """Whether a run was trained by a method."""
    return lambda run: run.component("method") == method


def pairs(
    runs: Sequence[RunRecord],
    one: Callable[[RunRecord], bool],
    other: Callable[[RunRecord], bool],
    but: Sequence[str],
) -> Iterator[tuple[Seeds, Seeds]]:
    """For each dataset the first two variants of these kinds whose settings differ in nothing but the keys `but`."""
    for dataset in dict.fromkeys(run.dataset for run in runs):
        variants = by_variant(run for run in runs if run.dataset == dataset).values()
        for first, second in product(variants, variants):
            if one(first[0]) and other(second[0]) and _rest(first[0], but) == _rest(second[0], but):
                yield first, second
                break


def _rest(run: RunRecord, but: Sequence[str]) -> dict[str, Any]:
    """All settings of a training except some and the seed, with the defaults of components."""
    settings, parameters = run.manifest["settings"], run.manifest["parameters"]
    rest = settings | {key: parameters.get(key) for key in ("training", "optimizers", "compute")}
    return {key: value for key, value in rest.items() if key not in but}


def trained(seeds: Seeds) -> str:
    """How many trainings a statement is about, in words."""
    return "one training of each" if len(seeds) == 1 else f"in each of {len(seeds)} seeds"


def span(values: Sequence[float], form: str) -> str:
    """The value, or the range of several, in a format."""
    return " to ".join(dict.fromkeys(f"{value:{form}}" for value in (min(values), max(values))))
