"""Which variant may be called the best by a score, and why often none may.

A claim holds beyond the spread between trainings: at least SEEDS of each variant, and an interval of the best one's
mean over seeds that is apart from all others'. It holds within the scale, which held-out real samples and their
degradations give, and only for a score whose self-checks passed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganflow.reporting.scores import Score
from ganflow.reporting.tables import Cell, Row, Table, rounded

SEEDS = 3  # of each variant, from which on an interval is computed
QUANTILES = (4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)  # Student's t, 97.5 %, 2 to 10 degrees
RULE = (
    f"An order is claimed where the 95 % t-interval of the best variant's mean over {SEEDS} seeds or more is apart "
    "from all others', the variant scores better than the worst of the degraded real samples, and the self-checks of "
    "the score passed. The interval covers training and sampling."
)


@dataclass(frozen=True)
class Claim:
    """What may be said of the order of some variants by one score."""

    score: Score
    best: Row | None  # the variant that is the best one beyond the spread; None: no order can be claimed
    doubts: tuple[str, ...]  # why not, a clause each

    @property
    def interval(self) -> str:
        """The best variant's interval, with the number of seeds."""
        assert self.best is not None, "only a claim has an interval"
        cell = self.best.cells[self.score.name]
        low, high = (rounded(end) for end in interval(cell))
        return f"95 % interval {low} to {high}, {cell.seeds} seeds"


def claim(
    score: Score, rows: Sequence[Row], checks: Mapping[str, Any], flagged: bool, diverged: Collection[str] = ()
) -> Claim:
    """The claim about variants on one dataset; `checks` and `flagged` as in `Table`, `diverged`: the variants of which
    a training did."""
    best = (min if score.better == "lower" else max)(rows, key=lambda row: _mean(row, score))
    others = [row for row in rows if row is not best]
    fewest = min(row.cells[score.name].seeds for row in rows)
    doubts = []
    if not others:
        doubts.append("there is one variant with scores" if diverged else "there is one variant")
    if fewest < SEEDS:
        shown = "one seed" if fewest == 1 else f"{fewest} seeds"
        doubts.append(f"with {shown} the spread between trainings is unknown ({SEEDS} or more show it)")
    elif not all(_apart(best.cells[score.name], other.cells[score.name]) for other in others):
        doubts.append("the best variant's interval over seeds is not apart from another's")
    if len({row.translated for row in rows}) > 1:
        doubts.append("the variants are given different things to make images of")
    if best.variant in diverged:
        doubts.append("a training of the best variant diverged, so its mean is of the others alone")
    if beyond(score, best, checks):
        doubts.append("no variant scores better than the worst of the degraded real samples")
    if flagged:
        doubts.append("a self-check of the score failed")
    return Claim(score, None if doubts else best, tuple(doubts))


def claims_of(table: Table) -> list[Claim]:
    """The claims of a table, one for each of its scores."""
    diverged = {run.variant for run in table.diverged}
    return [claim(score, table.having(score), table.checks, table.flagged(score), diverged) for score in table.scores]


def sentences(claims: Sequence[Claim]) -> list[str]:
    """What may be said of the order by some scores: the claims, then why there are no others."""
    held = [f"{one.score.extreme}: {one.best.variant} ({one.interval})." for one in claims if one.best]
    return held + doubts_of(claims)


def doubts_of(claims: Sequence[Claim]) -> list[str]:
    """One sentence for each reason why no order can be claimed, with the scores concerned."""
    found: dict[str, list[str]] = {}
    for one in claims:
        for doubt in one.doubts:
            found.setdefault(doubt, []).append(one.score.words)
    every = len(claims)
    return [
        f"No order can be claimed by {'any score' if len(names) == every else ', '.join(names)}: {doubt}."
        for doubt, names in found.items()
    ]


def beyond(score: Score, row: Row, checks: Mapping[str, Any]) -> bool:
    """Whether a variant is beyond the scale: its mean is no better than the worst of the checks."""
    values = [check["scores"][score.name] for check in checks.values() if score.name in check["scores"]]
    mean = _mean(row, score)
    return bool(values) and (mean >= max(values) if score.better == "lower" else mean <= min(values))


def interval(cell: Cell) -> tuple[float, float]:
    """The 95 % t-interval of a mean over seeds; for more than eleven it is slightly too wide."""
    assert cell.deviation is not None, "an interval needs several seeds"
    quantile = QUANTILES[min(cell.seeds - 3, len(QUANTILES) - 1)]
    half = quantile * cell.deviation / cell.seeds**0.5
    return cell.mean - half, cell.mean + half


def _apart(one: Cell, other: Cell) -> bool:
    """Whether two intervals are disjoint; not if neither varies, as counts do, because a spread is then not known."""
    (low, high), (other_low, other_high) = interval(one), interval(other)
    return bool(one.deviation or other.deviation) and (high < other_low or other_high < low)


def _mean(row: Row, score: Score) -> float:
    return row.cells[score.name].mean
