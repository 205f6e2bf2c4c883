"""What MLflow shows of a run's scores, besides those of its last weights."""

from collections.abc import Iterator

import numpy as np

from ganflow.reporting.runs import RunRecord

LONGEST = 5000  # characters of a tag's value


def best_scores(run: RunRecord) -> dict[str, float]:
    """{best/<score>: value} of the best snapshot, and its iteration; empty where none was looked for."""
    best = run.score["best"]
    if best is None:
        return {}
    scores = {f"best/{name}": float(value) for name, value in best["scores"].items()}
    return scores | {"best/iteration": float(best["iteration"])}


def curve_scores(curve: dict[str, np.ndarray] | None) -> Iterator[tuple[str, int, float]]:
    """(curve/<score>, iteration, value) of every snapshot of a curve, if there is one."""
    if curve is None:
        return
    for column in curve.keys() - {"iteration"}:
        for iteration, value in zip(curve["iteration"], curve[column], strict=True):
            yield f"curve/{column}", int(iteration), float(value)


def finished_tags(run: RunRecord) -> dict[str, str]:
    """The method in words, whose features were compared, and which self-checks of its scores failed."""
    tags, extractor = {"method": run.method}, run.score["protocol"]["extractor"]
    if extractor is not None:
        tags |= {"extractor": extractor["name"], "extractor.sha256": extractor["sha256"]}
    if run.score["flags"]:
        tags["flags"] = "; ".join(run.score["flags"])[:LONGEST]
    return tags
