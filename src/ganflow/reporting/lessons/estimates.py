"""Lesson: a Wasserstein critic's estimate falls as the samples improve, the GAN's does not (WGAN, arXiv 1701.07875,
figures 3 and 4).

It counts as shown if in every seed the rank correlation over the snapshots between estimate and score is at least
`LEAST` for WGAN-GP, and lower for the GAN. One reading of an estimate is noisy, so a snapshot has the median of those
within half the distance to its neighbour.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ganflow.reporting.charts import Plot, charts
from ganflow.reporting.figures import plot_figure
from ganflow.reporting.lessons.interfaces import (
    CARD,
    Lesson,
    Picture,
    Seeds,
    is_gan,
    is_penalised,
    pairs,
    span,
    trained,
)
from ganflow.reporting.runs import RunRecord
from ganflow.reporting.scores import Score, score_named
from ganflow.reporting.tables import rounded

LEAST = 0.7
SNAPSHOTS = 4  # the least over which a correlation says anything


def lesson(runs: Sequence[RunRecord]) -> Lesson | None:
    """The lesson on the first dataset that has both variants, with estimates and scores over training, or None."""
    for gan, other in pairs(runs, is_gan, is_penalised, ("objective", "constraint")):
        if all(_column(run) and len(_snapshots(run)) >= SNAPSHOTS for run in (*gan, *other)):
            return _lesson(gan, other)
    return None


def _lesson(gan: Seeds, other: Seeds) -> Lesson:
    score = _score(gan[0])
    of_gan, of_other = ([correlation(*_series(run)) for run in seeds] for seeds in (gan, other))
    weights = "" if other[0].score["protocol"]["weights"] == "raw" else "; the score is of averaged weights"
    first, last = (f"{place:,}" for place in _snapshots(other[0])[[0, -1]])
    which = f", seed {gan[0].seed}" if len(gan) > 1 else ""
    sentence = (
        f"From iteration {first} to {last} on {gan[0].dataset}{which}: {_course(other[0], score)}; "
        f"{_course(gan[0], score)}. "
        f"Rank correlation of the two over {len(_snapshots(other[0]))} snapshots: {span(of_other, '.2f')}, and "
        f"{span(of_gan, '.2f')} for the GAN ({trained(other)}{weights}{_readings(other[0])})."
    )
    plots = [_plot(seeds, figure) for figure in ("estimates", "scores") for seeds in (gan, other)]
    picture = Picture("curves", sentence, plot_figure(plots, *CARD))
    shown = min(of_other) >= LEAST and max(of_gan) < min(of_other)
    title = "The critic's estimate falls as samples improve; the GAN's does not"
    return Lesson("estimates", title, shown, sentence, (picture,))


def _plot(seeds: Seeds, figure: str) -> Plot:
    """The first plot of a figure for one variant, with what it shows in its title."""
    plot = charts(seeds)[figure][0]
    bare = [replace(line, label="") for line in plot.series]
    what = "Estimate" if figure == "estimates" else plot.title
    return replace(
        plot, title=f"{what}, {seeds[0].variant}", label=plot.title if figure == "estimates" else "", series=bare
    )


def _column(run: RunRecord) -> str:
    """The journal column of the first estimate that the method declares; empty if it declares none."""
    return next((str(chart["column"]) for chart in run.manifest["charts"] if chart["figure"] == "estimates"), "")


def _score(run: RunRecord) -> Score:
    return score_named(next(name for name in run.curve or {} if name != "iteration"), run)


def _snapshots(run: RunRecord) -> np.ndarray:
    """The iterations that have a score and a row of the journal, int64."""
    scored = (run.curve or {}).get("iteration", np.array([]))
    return np.intersect1d(scored, run.journal["iteration"]).astype(np.int64)


def _series(run: RunRecord) -> tuple[np.ndarray, np.ndarray]:
    """Estimate and score, lower is better, at the snapshots."""
    assert run.curve is not None, "chosen for its curve"
    score, readings = _score(run), run.journal[_column(run)]
    estimates = np.array([np.median(readings[near]) for near in _near(run)])
    scores = run.curve[score.name][np.isin(run.curve["iteration"], _snapshots(run))]
    return estimates, scores if score.better == "lower" else -scores


def _near(run: RunRecord) -> np.ndarray:
    """For each snapshot which rows of the journal are within half the least distance of two snapshots, bool (snapshots,
    rows)."""
    at = _snapshots(run)
    return np.abs(at[:, None] - run.journal["iteration"]) <= np.diff(at).min() / 2


def _readings(run: RunRecord) -> str:
    """How many readings an estimate is the median of, in words; empty if it is one."""
    most = int(_near(run).sum(axis=1).max())
    return f"; an estimate is the median of up to {most} readings" if most > 1 else ""


def _course(run: RunRecord, score: Score) -> str:
    """From what to what the estimate and the score of a run went, in words."""
    estimates, scores = _series(run)
    sign = 1 if score.better == "lower" else -1
    ends = [f"{rounded(values[0], 3)} to {rounded(values[-1], 3)}" for values in (estimates, sign * scores)]
    return f"{run.variant}'s estimate {ends[0]}, its {score.words} {ends[1]}"


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation, ties by mean ranks; 0 if one of the two is constant."""
    first, second = (_ranks(values) for values in (one, other))
    spread = first.std() * second.std()
    return float(((first - first.mean()) * (second - second.mean())).mean() / spread) if spread > 0 else 0.0


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0, with the mean rank of equal values, float64."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count + 1) / 2)[place]
