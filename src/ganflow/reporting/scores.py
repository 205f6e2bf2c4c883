"""Scores by their names: which way is better, in what order they stand, and what they are called in sentences."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ganflow.reporting.runs import RunRecord, spoken

LITERATURE = {"fid": "frechet_distance", "kid": "kernel_distance"}  # {name in the literature: metric}
SPREAD = "_spread"  # ends the name of a deviation over parts of one set


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
        return self.words[0].upper() + self.words[1:]

    @property
    def by(self) -> str:
        """Whose features it looks at, and which way is better, in words."""
        return ", ".join(
            [f"by {self.extractor}"] * bool(self.extractor) + [f"{self.better} is better"] * bool(self.better)
        )

    def best(self, means: Mapping[str, float]) -> str:
        """The key of the best of some values."""
        return (min if self.better == "lower" else max)(means, key=means.__getitem__)


def scores_of(runs: Sequence[RunRecord], metrics: Iterable[str]) -> list[Score]:
    """The scores that all of some runs have, by the order of params.yaml's metrics; a metric may give several."""
    places = {metric: place for place, metric in enumerate(metrics)}
    shared = set.intersection(*(set(run.score["better"]) for run in runs))
    names = sorted(shared, key=lambda name: (_place(name, places), name))
    return [score_named(name, runs[0]) for name in names]


def score_named(name: str, run: RunRecord) -> Score:
    """A score by the name that it carries in a run's files."""
    extractor = (run.score["protocol"]["extractor"] or {}).get("name")
    named = extractor if extractor and name.endswith(f"_{extractor}") else None
    return Score(name, run.score["better"].get(name), named)


def _place(score: str, places: Mapping[str, int]) -> int:
    """The place of the metric that a score is of: the one whose name has most words in common with it."""
    words = set(LITERATURE.get(score, score).split("_"))
    alike = {metric: len(words & set(metric.split("_"))) for metric in places}
    most = max(alike.values())
    return min(places[metric] for metric in places if alike[metric] == most) if most else len(places)
