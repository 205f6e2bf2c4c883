"""plan --cost: the time and disk space of all stages that are not done, on this machine.

Estimates are based on measurements of a few samples and steps; the time of downloads is not included.
"""

import os
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path

from ganflow.config import Experiment
from ganflow.stages.cost_model import Cost, CostModel
from ganflow.stages.schedule import makespan
from ganflow.stages.status import DONE, duration, size, standings
from ganflow.stages.units import Unit, units

MACHINES = (2, 4, 16, 64)
RATE = 100e6 / 8  # bytes/s of a network, for the time of downloads


def run(experiment: Experiment, device: str) -> None:
    """Prints one line per stage and the total; raises UserError for errors of the stages."""
    standing = standings(list(units(experiment, device)))
    remaining = [unit for unit, kind, _ in standing if kind != DONE]
    with tempfile.TemporaryDirectory() as scratch:
        model = CostModel(experiment, device, Path(scratch))
        costs = [(unit, model.cost(unit)) for unit in remaining]
    by_stage: dict[str, Cost] = defaultdict(Cost)
    for unit, cost in costs:
        by_stage[unit.stage] += cost
    print(f"experiment {experiment.experiment}: {len(remaining)} of {len(standing)} units to do, on {device}")
    print(f"  {'stage':<10}{'units':>6}{'images':>15}{'time':>16}{'disk':>10}")
    for stage, cost in by_stage.items():
        print(f"  {stage:<10}{cost.units:>6}{cost.images:>15,}{duration(cost.seconds):>16}{size(cost.bytes):>10}")
    _print_total(experiment, costs)
    if model.unmeasured:
        print("times do not include the extractor, whose weights are missing: run `python -m ganflow extractor`")


def _print_total(experiment: Experiment, costs: list[tuple[Unit, Cost]]) -> None:
    total = sum((cost for _, cost in costs), Cost())
    seconds = [(unit, cost.seconds) for unit, cost in costs]
    at_once = max(1, (os.cpu_count() or 1) // experiment.compute.threads)
    print(f"total: {duration(total.seconds)} with `dvc repro`, sequentially", end="")
    if at_once > 1:
        print(
            f"; with `snakemake --cores {os.cpu_count()}`, {at_once} at once, {duration(makespan(seconds, at_once))}",
            end="",
        )
    print("\non machines like this one, under a Snakemake executor with a shared file system:")
    for machines in MACHINES:
        print(f"  {machines:>4} machines{duration(makespan(seconds, machines * at_once)):>16}")
    print(f"  never less than{duration(makespan(seconds, len(seconds))):>16}, the longest chain of stages")
    free = shutil.disk_usage(".").free
    print(f"{size(total.bytes)} of disk, twice that if DVC's cache copies; {size(free)} are free")
    if total.scratch:
        print(f"{size(total.scratch)} in build/scratch for extracted archives, until the shards are finished")
    if total.fetched:
        took = duration(total.fetched / RATE)
        print(f"downloads: {size(total.fetched)}, {took} at 100 Mbit/s, not included in the time above")
