"""Scores by their names: which way is better, in what order they stand, and what they are called in sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ganflow.reporting.runs import RunRecord, spoken

STD = "_std"  # ends the name of a deviation over parts of one set


@dataclass(frozen=True)
class Score:
    """One score of one dataset."""

    name: str
    better: str | None  # "lower" or "higher"; None of a score that is of a curve alone
    extractor: str | None  # whose features it looks at, where its name says so

    @property
    def words(self) -> str:
        """Its name in words, without the extractor."""
        return spoken(self.name.removesuffix(f"_{self.extractor}"))

    @property
    def title(self) -> str:
        """The same as a heading."""
        return self.words[0].upper() + self.words[1:]

    @property
    def by(self) -> str:
        """Whose features it looks at, and which way is better, in words."""
        whose = f"by {self.extractor}" if self.extractor else ""
        sense = f"{self.better} is better" if self.better else ""
        return ", ".join(filter(None, [whose, sense]))

    def best(self, means: Mapping[str, float]) -> str:
        """The key of the best of some values."""
        return (min if self.better == "lower" else max)(means, key=means.__getitem__)


def scores_of(runs: Sequence[RunRecord]) -> list[Score]:
    """The scores that all of some runs have, by the order of params.yaml's metrics; a metric may give several."""
    shared = set.intersection(*(set(run.score["better"]) for run in runs))
    return [score_named(name, runs[0]) for name in runs[0].score["order"] if name in shared]


def score_named(name: str, run: RunRecord) -> Score:
    """A score by the name that it carries in a run's files."""
    extractor = (run.score["protocol"]["extractor"] or {}).get("name")
    named = extractor if extractor and name.endswith(f"_{extractor}") else None
    return Score(name, run.score["better"].get(name), named)
