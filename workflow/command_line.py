"""What the command line asks of Snakemake, which a Snakefile learns only after it was read."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from snakemake.cli import parse_args


@dataclass(frozen=True)
class Asked:
    """A dry run, jobs to do again, the executor, and the runs that a dry run foresees."""

    dry_run: bool = False
    all_again: bool = False
    again: frozenset[str] = frozenset()  # rules and outputs
    executor: str | None = None
    runs: dict[str, Any] = field(default_factory=dict)

    def force(self, rule: str, output: str) -> str:
        """DVC's option to compute what it knows again, if this job is to be done again."""
        return "--force" if self.all_again or {rule, output} & self.again else ""


def asked() -> Asked:
    """What this process was asked by its arguments and profile; nothing if it isn't the command snakemake."""
    program = Path(sys.argv[0])
    if "snakemake" not in (program.name, program.parent.name):
        return Asked()
    arguments = parse_args(sys.argv[1:])[1]
    dry_run = arguments.dryrun or arguments.executor == "dryrun"
    again = frozenset([*(arguments.forcerun or ()), *(arguments.targets or ())[: None if arguments.force else 0]])
    return Asked(dry_run, arguments.forceall, again, arguments.executor)
