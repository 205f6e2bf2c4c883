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
        return f"{self.mean:.4g}" if self.deviation is None else f"{self.mean:.4g} ± {self.deviation:.2g}"


@dataclass(frozen=True)
class Row:
    """The scores of one variant on one dataset."""

    dataset: str
    variant: str
    cells: dict[str, Cell]
    weights: str  # scored: "raw" or "ema"
    iteration: int


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
        rows.append(Row(dataset, variant, cells, group[0].score["protocol"]["weights"], group[0].score["iteration"]))
    return rows


def floors(runs: list[RunRecord]) -> dict[str, dict[str, float]]:
    """{dataset: {score: its value for held-out real images}}."""
    return {run.dataset: run.score["floor"] for run in runs}


def as_csv(rows: list[Row], floor: dict[str, dict[str, float]]) -> str:
    """The table in long form, one line for each score of each variant."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["dataset", "variant", "score", "mean", "deviation", "seeds", "floor", "weights", "iteration"])
    for row in rows:
        for name, cell in row.cells.items():
            of_real = floor[row.dataset].get(name, "")
            deviation = "" if cell.deviation is None else cell.deviation
            line = [
                row.dataset,
                row.variant,
                name,
                cell.mean,
                deviation,
                cell.seeds,
                of_real,
                row.weights,
                row.iteration,
            ]
            writer.writerow(line)
    return text.getvalue()


def as_metrics(rows: list[Row]) -> dict[str, dict[str, dict[str, float]]]:
    """{dataset: {variant: {score: mean, score_deviation: ...}}} for `dvc metrics`."""
    metrics: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        numbers = {name: cell.mean for name, cell in row.cells.items()}
        numbers |= {f"{name}_deviation": c.deviation for name, c in row.cells.items() if c.deviation is not None}
        metrics.setdefault(row.dataset, {})[row.variant] = numbers
    return metrics
