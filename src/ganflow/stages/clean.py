"""clean: what killed and older runs have left and nothing needs any more; deletes it if asked."""

from ganflow.config import Experiment
from ganflow.errors import UserError
from ganflow.stages.execution import device_of
from ganflow.stages.leftovers import leftovers
from ganflow.stages.status import DONE, size, standings
from ganflow.stages.units import units


def run(experiment: Experiment, remove: bool = False) -> None:
    """Prints each leftover with its size and the reason; deletes them all if `remove`."""
    standing = standings(list(units(experiment, device_of(experiment))))
    found = leftovers([unit for unit, *_ in standing], {unit.output for unit, kind, _ in standing if kind == DONE})
    deleted = 0
    for leftover in found:
        print(f"{size(leftover.bytes):>10}  {leftover.path}: {leftover.why}", flush=True)
        if remove:
            try:
                leftover.delete()
                deleted += leftover.bytes
            except UserError as used:
                print(f"{'':10}  kept: {used}")
    if not found:
        print("nothing is left over")
    elif remove:
        print(f"{size(deleted)} deleted")
    else:
        total = sum(leftover.bytes for leftover in found)
        print(f"{size(total)} in {len(found)} folders; `python -m ganflow clean --remove` deletes them")
