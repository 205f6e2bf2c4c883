"""The README's table of training steps: from benchmarks/step.json, which `benchmarks/step.py --record` writes."""

import statistics
from pathlib import Path

from pydantic import Field

from ganflow.artifacts import read_model
from ganflow.config import Model
from ganflow.errors import UserError

FILE = Path("benchmarks/step.json")
BASELINE, OURS = "usual", "ours"


class Case(Model):
    """One method and network; each of the others by the implementation that was measured."""

    method: str
    network: str
    critic_steps: int
    images_per_second: dict[str, list[float]]
    operations: dict[str, int]
    memory: dict[str, str] = Field(alias="MiB")


class Machine(Model):
    """How it was measured."""

    threads: int
    width: int
    images: int
    rounds: int
    arithmetic: str
    cpu: str
    torch: str
    peak: float = 0


class Steps(Model):
    """benchmarks/step.json."""

    about: Machine
    cases: list[Case]


def table() -> str:
    """Markdown: a line for each method and network, and one that says how it was measured."""
    if not FILE.is_file():
        raise UserError(f"{FILE}: missing; run `python benchmarks/step.py --record`")
    found = read_model(Steps, FILE, "run `python benchmarks/step.py --record`")
    rows = [["method", "networks", "usual, images/s", "ours, images/s", "ours / usual", "operations", "memory"]]
    rows.append(["---", "---", *["---:"] * 5])
    for case in found["cases"]:
        rates, operations, memory = case["images_per_second"], case["operations"], case["MiB"]
        ratios = [ours / usual for usual, ours in zip(rates[BASELINE], rates[OURS], strict=True)]
        rows.append(
            [
                case["method"],
                case["network"],
                f"{statistics.median(rates[BASELINE]):.0f}",
                f"{statistics.median(rates[OURS]):.0f}",
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
                f"{operations[OURS] / operations[BASELINE]:.2f}",
                f"{int(memory[OURS]) / int(memory[BASELINE]):.2f}",
            ]
        )
    about = found["about"]
    threads = "one thread" if about["threads"] == 1 else f"{about['threads']} threads"
    machine = f"{threads} of an {about['cpu']}, torch {about['torch'].partition('+')[0]}"
    how = (
        f"Width {about['width']}, batches of {about['images']}, float32, {about['arithmetic']} arithmetic, {machine}; "
        f"medians of {about['rounds']} interleaved rounds and the range of the ratio; operations and memory as "
        "shares of the usual step's.\n"
    )
    return "".join(f"| {' | '.join(row)} |\n" for row in rows) + "\n" + how
