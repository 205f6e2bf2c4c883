"""One job of Snakemake, `python -m workflow.job [--force] STAGE LOG`: DVC brings one stage up to date.

What DVC says goes to the rule's log; on the terminal are the stage's progress, DVC's warnings and errors, and that it
restored a result instead of computing it.
"""

import logging
import os
import sys
from pathlib import Path

from dvc.cli import main

RESTORED = "is cached - skipping run"  # within what DVC says then


class Words(logging.Handler):
    """Copies what DVC says on stderr to stdout, which is the log, and that it restored a result to stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        if record.levelno >= logging.WARNING:
            print(": ".join(filter(None, [said, *causes(record.exc_info[1] if record.exc_info else None)])), flush=True)
        elif RESTORED in said:
            print(said, file=sys.stderr, flush=True)


def causes(error: BaseException | None) -> list[str]:
    """What an error and its causes say, outermost first."""
    found = []
    while error:
        found.append(str(error))
        error = error.__cause__
    return found


def run(arguments: list[str], log: Path) -> int:
    """Runs a stage as `dvc repro` with these arguments does, and appends what is said to a log; returns DVC's exit
    code."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())  # also for the processes that DVC starts
    logging.getLogger("dvc").addHandler(Words())
    sys.argv = ["dvc", "--wait-for-lock", "repro", "--single-item", *arguments]  # DVC notes it as what holds its locks
    return int(main(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:-1], Path(sys.argv[-1])))
