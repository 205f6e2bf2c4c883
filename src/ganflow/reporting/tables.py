"""Scores as tables: mean and deviation over seeds, beside the floor that real images give, never without their
protocol."""

import csv
import io
from dataclasses import dataclass
from statistics import mean, stdev

from ganflow.reporting.runs import RunRecord


@dataclass(frozen=True)
class Cell:
    """A score over seeds: its mean, its sample deviation (None with one seed) and how many seeds."""

    mean: float
    deviation: float | None
    seeds: int

    def __str__(self) -> str:
        return rounded(self.mean) if self.deviation is None else f"{rounded(self.mean)} ± {rounded(self.deviation, 2)}"


def rounded(value: float, figures: int = 4) -> str:
    """A number to so many significant figures, zeros at its end included."""
    return f"{value:#.{figures}g}".removesuffix(".")


@dataclass(frozen=True)
class Row:
    """The scores of one variant on one dataset."""

    dataset: str
    variant: str
    cells: dict[str, Cell]
    weights: str  # scored: "raw" or "ema"
    iteration: int
    runs: list[RunRecord]  # one a seed


@dataclass(frozen=True)
class Column:
    """One score on one dataset, all variants side by side; lower is better."""

    dataset: str
    score: str
    rows: list[Row]
    floor: float | None  # the score of held-out real images

    @property
    def best(self) -> Row:
        """The variant with the lowest mean."""
        return min(self.rows, key=lambda row: row.cells[self.score].mean)

    @property
    def highest(self) -> float:
        """The highest mean, for a bar's full length."""
        return max(row.cells[self.score].mean for row in self.rows)


def score_rows(runs: list[RunRecord]) -> list[Row]:
    """One row for each dataset and variant, in the order of params.yaml."""
    groups: dict[tuple[str, str], list[RunRecord]] = {}
    for run in runs:
        groups.setdefault((run.dataset, run.variant), []).append(run)
    rows = []
    for (dataset, variant), group in groups.items():
        values = {name: [run.score["scores"][name] for run in group] for name in group[0].score["scores"]}
        values["validation_critic_loss"] = [run.score["validation_critic_loss"] for run in group]
        cells = {name: Cell(mean(v), stdev(v) if len(v) > 1 else None, len(v)) for name, v in values.items()}
        score = group[0].score
        rows.append(Row(dataset, variant, cells, score["protocol"]["weights"], score["iteration"], group))
    return rows


def floors(runs: list[RunRecord]) -> dict[str, dict[str, float]]:
    """{dataset: {score: its value for held-out real images}}."""
    return {run.dataset: run.score["floor"] for run in runs}


def claim_columns(runs: list[RunRecord]) -> list[Column]:
    """One column for each dataset and score; a critic's loss is its own and compares no variants, so it has none."""
    rows, floor = score_rows(runs), floors(runs)
    return [
        Column(dataset, score, [row for row in rows if row.dataset == dataset], floor[dataset].get(score))
        for dataset in floor
        for score in next(run for run in runs if run.dataset == dataset).score["scores"]
    ]


def as_csv(rows: list[Row], floor: dict[str, dict[str, float]]) -> str:
    """The table in long form, one line for each score of each variant."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["dataset", "variant", "score", "mean", "deviation", "seeds", "floor", "weights", "iteration"])
    for row in rows:
        for name, cell in row.cells.items():
            of_real = floor[row.dataset].get(name, "")
            deviation = "" if cell.deviation is None else cell.deviation
            numbers = [cell.mean, deviation, cell.seeds, of_real]
            writer.writerow([row.dataset, row.variant, name, *numbers, row.weights, row.iteration])
    return text.getvalue()


def as_metrics(rows: list[Row]) -> dict[str, dict[str, dict[str, float]]]:
    """{dataset: {variant: {score: mean, score_deviation: ...}}} for `dvc metrics`."""
    metrics: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        numbers = {name: cell.mean for name, cell in row.cells.items()}
        numbers |= {f"{name}_deviation": c.deviation for name, c in row.cells.items() if c.deviation is not None}
        metrics.setdefault(row.dataset, {})[row.variant] = numbers
    return metrics
