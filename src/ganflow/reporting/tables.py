"""Score tables: mean and deviation over seeds, with the scores of held-out real images and of their degradations."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from ganflow.reporting.captions import DEPARTURES
from ganflow.reporting.runs import DivergedRun, RunRecord, in_words, parted
from ganflow.reporting.scores import STD, Score, scores_of
from ganflow.serialization import csv_text

HELD_OUT = "held_out"
FEATURES = "features by"  # with what a flag of features begins


@dataclass(frozen=True)
class Cell:
    """A score over seeds: mean, sample deviation (None for one seed) and number of seeds."""

    mean: float
    deviation: float | None
    seeds: int

    @classmethod
    def of(cls, values: list[float]) -> "Cell":
        """The cell of a score's values, one per seed."""
        return cls(mean(values), stdev(values) if len(values) > 1 else None, len(values))

    def __str__(self) -> str:
        return rounded(self.mean) if self.deviation is None else f"{rounded(self.mean)} ± {rounded(self.deviation, 2)}"


def translated(translation: Mapping[str, Any]) -> str:
    """What a translator is given, in words."""
    source, where = translation["source"], translation["where"]
    what = "held-out images" if source == "samples" else f"the {in_words(source)} of held-out images"
    chosen = ", ".join(f"{in_words(name)} {value}" for name, value in where.items())
    return f"{what} with {chosen}" if chosen else what


def rounded(value: float, figures: int = 4) -> str:
    """A number with `figures` significant digits, trailing zeros included; never fewer than its integer digits."""
    return f"{value:,.0f}" if abs(value) >= 10**figures else f"{value:#.{figures}g}".removesuffix(".")


@dataclass(frozen=True)
class Row:
    """The scores of one variant on one dataset, for its final and best weights."""

    dataset: str
    variant: str
    cells: dict[str, Cell]
    best: dict[str, Cell]  # of the best snapshots; empty without a curve
    best_iterations: list[int]  # over the seeds, ascending, distinct
    weights: str  # scored: "raw" or "ema"
    iteration: int
    runs: list[RunRecord]  # one per seed
    parts: dict[str, float]  # {score: deviation over parts of a run's set, the mean over seeds}, where there is one

    @property
    def translated(self) -> str:
        """What was translated, in words; empty for samples from latent vectors."""
        protocol = self.runs[0].score["protocol"]
        if not (found := protocol.get("translation")):
            return ""
        return f"{protocol['images']:,} translations of {translated(found)}"

    @property
    def best_at(self) -> str:
        """The iteration of the best snapshots, or their range."""
        ends = dict.fromkeys([self.best_iterations[0], self.best_iterations[-1]])
        return " to ".join(f"{iteration:,}" for iteration in ends)


@dataclass(frozen=True)
class Table:
    """The scores of one dataset, one row per variant, and those of real samples for scale."""

    dataset: str
    scores: list[Score]
    rows: list[Row]
    checks: dict[str, dict[str, Any]]  # {held_out or a degradation of it: {samples, scores}}
    flags: list[str]  # failed checks of metrics, features and scores, one sentence each
    literature: dict[str, dict[str, Any]]  # {score: found, expected, agrees, source} of a complete set of real images
    split: str  # of the checks
    notes: list[str]  # what else the scores depend on, one sentence each
    diverged: list[DivergedRun]  # trainings without scores

    @property
    def by_batch(self) -> bool:
        """Whether scored samples are by batch statistics; grids of samples never are."""
        return any(run.score["protocol"]["batch_norm"] == "batch" for row in self.rows for run in row.runs)

    def real(self, score: Score) -> float | None:
        """The score of real held-out samples."""
        return self.checks[HELD_OUT]["scores"].get(score.name)

    def having(self, score: Score) -> list[Row]:
        """The rows with a score."""
        return [row for row in self.rows if score.name in row.cells]

    def share(self, score: Score, value: float) -> float:
        """A value as percentage of the highest score among variants and held-out samples."""
        highest = max([row.cells[score.name].mean for row in self.having(score)] + [self.real(score) or 0])
        return 100 * min(max(value / highest, 0), 1) if highest > 0 else 0

    def flagged(self, score: Score) -> bool:
        """Whether a self-check of the score, or of features that it compares, failed."""
        begins = (f"{score.name}:", *([FEATURES] if score.features else []))
        return any(flag.startswith(begins) for flag in self.flags)


def score_rows(runs: list[RunRecord]) -> list[Row]:
    """One row for each dataset and variant, in the order of params.yaml."""
    groups: dict[tuple[str, str], list[RunRecord]] = {}
    for run in runs:
        groups.setdefault((run.dataset, run.variant), []).append(run)
    return [_row(*axes, group) for axes, group in groups.items()]


def _row(dataset: str, variant: str, group: list[RunRecord]) -> Row:
    records = [run.score for run in group]
    shared = [name for name in records[0]["better"] if all(name in record["better"] for record in records)]
    cells = {name: Cell.of([record["scores"][name] for record in records]) for name in shared}
    cells["held_out_loss"] = Cell.of([record["held_out_loss"] for record in records])
    bests = [record["best"] for record in records if record["best"] is not None]
    best = {name: Cell.of([one["scores"][name] for one in bests]) for name in shared if len(bests) == len(records)}
    iterations = sorted({one["iteration"] for one in bests})
    spread = [name for name in shared if all(name + STD in record["scores"] for record in records)]
    parts = {name: mean(record["scores"][name + STD] for record in records) for name in spread}
    weights, iteration = records[0]["protocol"]["weights"], records[0]["iteration"]
    return Row(dataset, variant, cells, best, iterations, weights, iteration, group, parts)


def score_tables(runs: Sequence[RunRecord | DivergedRun]) -> list[Table]:
    """One table per dataset; without losses, which are not comparable between variants."""
    tables = []
    for dataset in dict.fromkeys(run.dataset for run in runs):
        mine, diverged = parted(run for run in runs if run.dataset == dataset)
        if not mine:
            tables.append(Table(dataset, [], [], {}, [], {}, "", [], diverged))
            continue
        first = mine[0].score
        tables.append(
            Table(
                dataset,
                scores_of(mine),
                score_rows(mine),
                scale(first["checks"]),
                [*dict.fromkeys(flag for run in mine for flag in run.score["flags"]), *coincidences(mine)],
                first["literature"],
                first["protocol"]["check_split"],
                notes_of(mine),
                diverged,
            )
        )
    return tables


def notes_of(runs: list[RunRecord]) -> list[str]:
    """Sentences on what scores and grids depend on besides the weights, for runs of one dataset."""
    said, protocols = [], [run.score["protocol"] for run in runs]
    if any(protocol["batch_norm"] == "batch" for protocol in protocols):
        said.append(
            f"Scores and nearest neighbours are of samples by batch norm with the statistics of each batch of "
            f"{protocols[0]['batch_size']}; the grids of samples are by running statistics"
        )
    copied = dict.fromkeys(run.variant for run in runs if run.score["protocol"]["ema_batch_norm"] == "copied")
    if copied:
        said.append(
            f"The averaged weights of {', '.join(copied)} have batch-norm statistics of the raw weights, "
            "which belong to other activations and shift the samples"
        )
    for network, departure in DEPARTURES.items():
        using = dict.fromkeys(run.variant for run in runs if run.component("network") == network)
        said += [f"{', '.join(using)}: {departure}"] if using else []
    return said


def coincidences(runs: list[RunRecord]) -> list[str]:
    """A sentence for each continuous score that runs of one dataset share to the last bit."""
    found = []
    for name in dict.fromkeys(name for run in runs for name in run.score["continuous"]):
        alike: dict[float, list[str]] = {}
        for run in runs:
            if name in run.score["scores"]:
                alike.setdefault(run.score["scores"][name], []).append(f"{run.variant} {run.seed}")
        found += [
            f"{name}: {' and '.join(names)} score exactly {value!r} each; it does not tell their samples apart"
            for value, names in alike.items()
            if len(names) > 1
        ]
    return found


def scale(checks: dict[str, Any]) -> dict[str, Any]:
    """The checks, held-out samples first."""
    return {HELD_OUT: checks[HELD_OUT]} | checks


def as_csv(tables: Iterable[Table]) -> str:
    """The tables as CSV in long form, one line per score of each variant."""
    columns = ["dataset", "variant", "score", "better", "mean", "deviation", "seeds", "held_out", "best_mean"]
    lines: list[list[Any]] = []
    for table in tables:
        directions = {score.name: score.better for score in table.scores}
        real = table.checks[HELD_OUT]["scores"] if table.rows else {}
        for run in table.diverged:
            lines.append([run.dataset, run.variant, "diverged", "", 1, "", 1, *[""] * 4, run.divergence.iteration])
        for row in table.rows:
            for name in [*(name for name in directions if name in row.cells), "held_out_loss"]:
                cell, best = row.cells[name], row.best.get(name)
                line: list[Any] = [row.dataset, row.variant, name, directions.get(name, ""), cell.mean]
                line += ["" if cell.deviation is None else cell.deviation, cell.seeds, real.get(name, "")]
                line += ["" if best is None else best.mean]
                line += row.best_iterations if best and len(row.best_iterations) == 1 else [""]
                lines.append([*line, row.weights, row.iteration])
    return csv_text([*columns, "best_iteration", "weights", "iteration"], lines)


def as_metrics(tables: Iterable[Table]) -> dict[str, dict[str, dict[str, float]]]:
    """{dataset: {variant: {score: mean, score_deviation: ...}}} for `dvc metrics`; `diverged`: the number of
    seeds whose training did, where one did."""
    tables = list(tables)
    metrics: dict[str, dict[str, dict[str, float]]] = {}
    for row in (row for table in tables for row in table.rows):
        numbers = {name: cell.mean for name, cell in row.cells.items()}
        numbers |= {f"{name}_deviation": c.deviation for name, c in row.cells.items() if c.deviation is not None}
        metrics.setdefault(row.dataset, {})[row.variant] = numbers
    for run in (run for table in tables for run in table.diverged):
        known = metrics.setdefault(run.dataset, {}).setdefault(run.variant, {})
        known["diverged"] = known.get("diverged", 0) + 1
    return metrics
