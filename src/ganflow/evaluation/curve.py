"""Scores over training: a cheap score of every snapshot, which selects the best one. Its random stream is separate, so
that enabling it changes no other number."""

from pathlib import Path

from ganflow.artifacts import read_csv, write_file
from ganflow.config import Curve, Evaluation
from ganflow.evaluation.extraction import Extraction
from ganflow.evaluation.generated_samples import Given, evaluation_samples
from ganflow.evaluation.interfaces import Direction, Samples, curve_metric, score_names
from ganflow.serialization import csv_text
from ganflow.training.description import ITERATION
from ganflow.training.divergence import check_numbers, diverged_at
from ganflow.training.weights import load_generator

ScoreRow = tuple[int, dict[str, float]]  # iteration, scores


class SnapshotScorer:
    """Scores generators by the curve's metric against one set of real samples."""

    def __init__(
        self,
        evaluation: Evaluation,
        curve: Curve,
        real: Samples,
        extraction: Extraction | None,
        device: str,
        given: Given | None = None,
    ):
        """`given`: the images for translators."""
        self.evaluation, self.curve, self.real, self.device, self.given = evaluation, curve, real, device, given
        self.metric = curve_metric(curve)
        self.extraction = extraction if self.metric.compares == "features" else None
        self.names = score_names(self.metric, extraction.identity if extraction else None)
        self.prepared = self.metric.prepare(real)

    def score(self, file: Path) -> ScoreRow:
        """Iteration and scores of the generator in a weights file; raises Diverged for what is not finite."""
        module, about = load_generator(file, self.device)
        values = evaluation_samples(self.evaluation, module, about, self.device, self.curve, given=self.given)
        samples = self.extraction.of(values) if self.extraction else Samples(values)
        found = self.metric.score(self.prepared, self.real, samples)
        scores = {name: found[score] for score, name in self.names.items()}
        with diverged_at(about["iteration"]):
            check_numbers(scores)
        return about["iteration"], scores


def best_of(curve: Curve, rows: list[ScoreRow]) -> int:
    """The iteration with the best first score, the earliest of equal ones."""
    sign = 1 if curve_direction(curve) == "lower" else -1
    return min(rows, key=lambda row: sign * next(iter(row[1].values())))[0]


def curve_direction(curve: Curve) -> Direction:
    """Whether a lower or a higher first score is better."""
    return next(iter(curve_metric(curve).better.values()))


def needs_values(curve: Curve) -> bool:
    """Whether the curve's metric compares images or points instead of features."""
    return curve_metric(curve).compares != "features"


def write_curve(path: Path, rows: list[ScoreRow]) -> None:
    """Writes a CSV file with the columns `iteration` and one per score."""
    write_file(
        path, csv_text(["iteration", *rows[0][1]], [[iteration, *scores.values()] for iteration, scores in rows])
    )


def read_curve(path: Path, *scores: str) -> list[ScoreRow]:
    """Reads a file of `write_curve` with these scores; raises UserError if it is missing or damaged."""
    columns = read_csv(path, "iteration", *scores)
    iterations = [int(number) for number in columns.pop("iteration")]
    return [(at, {name: columns[name][row] for name in columns}) for row, at in enumerate(iterations)]


def scored_weights(evaluation: Evaluation, run: Path) -> Path:
    """The weights file of a run to score: the averaged weights if params.yaml selects them and there are any."""
    averaged = run / "generator_ema.safetensors"
    return averaged if evaluation.weights == "ema" and averaged.exists() else run / "generator.safetensors"


def snapshots(run: Path, weights: str) -> dict[int, Path]:
    """{iteration: file} of the snapshots of `generator` or `generator_ema` in the folder of a run, finished or not."""
    files = sorted((run / "snapshots").glob(f"{ITERATION}-{weights}.safetensors"))
    return {int(file.name.partition("-")[0]): file for file in files}
