"""compare: two runs side by side, from their files: scores, and differences in parameters, versions, inputs and code.

A name without a seed means all seeds, with mean and standard deviation. If the protocols differ, the scores are
reported as not comparable, with the differences.
"""

from typing import Any

from ganflow.config import Experiment
from ganflow.reporting.claims import claims_of, sentences
from ganflow.reporting.runs import RunRecord, TrainingRecord, flat, load_run, parted
from ganflow.reporting.scores import scores_of
from ganflow.reporting.tables import HELD_OUT, Row, rounded, score_rows, score_tables
from ganflow.stages.graph import RESULTS
from ganflow.stages.selection import runs_named

Line = tuple[str, str, str]
ABSENT, CODE = "-", "code of"


def run(experiment: Experiment, one: str, other: str) -> None:
    """Prints scores, with those of real samples and what order they show, or which of the runs diverged, then all
    parameters, versions, inputs and modules that differ."""
    left, right = (
        [load_run(RESULTS / experiment.experiment, *axes) for axes in runs_named(experiment, name)]
        for name in (one, other)
    )
    diverged = parted([*left, *right])[1]
    for name, divergence in {run.name: run.divergence for run in diverged}.items():
        print(f"{name} {divergence.sentence}.")
    if diverged:
        print("There is no score of a training that diverged, so these can't be compared.")
    else:
        _compare_scores(parted(left)[0], parted(right)[0])
    made = [_made(runs[0]) for runs in (left, right)]
    differing = [line for line in _differing(*made) if not (line[0].startswith(CODE) and ABSENT in line)]
    print("\nDifferences:")
    print(_table(differing) if differing else "  none")
    alike = sum(value == made[1].get(key) for key, value in made[0].items())
    print(f"  {alike} parameters, versions, inputs and modules are the same")


def _compare_scores(left: list[RunRecord], right: list[RunRecord]) -> None:
    print(_table([("", _name(left), _name(right)), *_scores(left, right)]))
    if protocol := _differing(*(_protocol(runs[0]) for runs in (left, right))):
        print("\nThese scores can't be compared: their protocols differ.")
        print(_table(protocol))
    else:
        [table] = score_tables([*left, *right])
        print(
            "\n" + "\n".join([*sentences(claims_of(table)), *(f"Failed self-check: {flag}." for flag in table.flags)])
        )


def _name(runs: list[RunRecord]) -> str:
    only = runs[0] if len(runs) == 1 else None
    return f"{runs[0].dataset}/{runs[0].variant}" + (f"/{only.seed}" if only else f" ({len(runs)} seeds)")


def _scores(left: list[RunRecord], right: list[RunRecord]) -> list[Line]:
    """Scores of the final and best weights and of held-out samples; without losses, which are not comparable."""
    one, other = (score_rows(runs)[0] for runs in (left, right))
    lines: list[Line] = []
    for score in scores_of([*left, *right]):
        name = score.name
        lines.append(
            (f"{name}, {score.better} is better", str(one.cells.get(name, ABSENT)), str(other.cells.get(name, ABSENT)))
        )
        if one.best or other.best:
            lines.append(("  at its best", str(one.best.get(name, ABSENT)), str(other.best.get(name, ABSENT))))
        lines.append(("  of held-out real samples", _held_out(one, name), _held_out(other, name)))
    lines.append(("iterations", f"{one.iteration:,}", f"{other.iteration:,}"))
    if one.best or other.best:
        lines.append(("best iteration", _best_at(one), _best_at(other)))
    return [*lines, ("weights", one.weights, other.weights)]


def _held_out(row: Row, score: str) -> str:
    value = row.runs[0].score["checks"][HELD_OUT]["scores"].get(score)
    return "" if value is None else rounded(value)


def _best_at(row: Row) -> str:
    return row.best_at if row.best else ABSENT


def _protocol(run: RunRecord) -> dict[str, Any]:
    protocol = {key: value for key, value in run.score["protocol"].items() if key != "seed"}
    return flat(protocol) | {"dataset": run.dataset, "scores": ", ".join(run.score["better"])}


def _made(run: TrainingRecord) -> dict[str, Any]:
    """{name: value} of everything that determines a run."""
    manifest = run.manifest
    made = dict(run.parameters)
    made |= {f"version of {package}": version for package, version in manifest["versions"].items()}
    made |= {f"input {path}": digest[:12] for path, digest in manifest["inputs"].items()}
    return made | {f"{CODE} {module}": digest[:12] for module, digest in manifest["code"].items()}


def _differing(one: dict[str, Any], other: dict[str, Any]) -> list[Line]:
    return [
        (key, str(one.get(key, ABSENT)), str(other.get(key, ABSENT)))
        for key in sorted(one.keys() | other.keys())
        if one.get(key) != other.get(key)
    ]


def _table(lines: list[Line]) -> str:
    """Aligned columns."""
    widths = [max(len(line[column]) for line in lines) for column in range(2)]
    return "\n".join(f"  {a:<{widths[0]}}  {b:<{widths[1]}}  {c}".rstrip() for a, b, c in lines)
