"""Scores by name: direction, order and display names."""

from collections.abc import Sequence
from dataclasses import dataclass

from ganflow.reporting.runs import RunRecord, in_words

STD = "_std"  # suffix of a standard deviation over parts of one set


@dataclass(frozen=True)
class Score:
    """One score of one dataset."""

    name: str
    better: str | None  # "lower" or "higher"; None for a score of the curve only
    extractor: str | None  # of the features, if part of the name
    features: bool = False  # whether it compares features

    @property
    def words(self) -> str:
        """The display name, without the extractor."""
        return in_words(self.name.removesuffix(f"_{self.extractor}"))

    @property
    def title(self) -> str:
        """The name as a heading."""
        return self.words[0].upper() + self.words[1:]

    @property
    def by(self) -> str:
        """Extractor and direction, in words."""
        whose = f"by {self.extractor}" if self.extractor else ""
        direction = f"{self.better} is better" if self.better else ""
        return ", ".join(filter(None, [whose, direction]))

    @property
    def whole(self) -> str:
        """The display name with the extractor."""
        return f"{self.words} by {self.extractor}" if self.extractor else self.words

    @property
    def extreme(self) -> str:
        """What the best value is, in words: the lowest or the highest."""
        return f"{'Lowest' if self.better == 'lower' else 'Highest'} {self.whole}"


def scores_of(runs: Sequence[RunRecord]) -> list[Score]:
    """The scores that any of the runs has, in the order of the metrics of params.yaml. Runs that translate images have
    some that others lack, and the other way round."""
    found: dict[str, RunRecord] = {}
    for run in sorted(runs, key=lambda run: -len(run.score["order"])):
        for name in run.score["order"]:
            found.setdefault(name, run)
    return [score_named(name, run) for name, run in found.items()]


def score_named(name: str, run: RunRecord) -> Score:
    """A score by its name in a run's files."""
    extractor = (run.score["protocol"]["extractor"] or {}).get("name")
    named = extractor if extractor and name.endswith(f"_{extractor}") else None
    return Score(name, run.score["better"].get(name), named, run.score["compares"].get(name) == "features")
