"""What an experiment will take on this machine: hours and disk of every stage that is not done, before it is started.

Measured, not guessed, by a few samples and steps of each kind; a fetched archive takes what the network takes.
"""

import os
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path

from ganflow.config import Experiment
from ganflow.stages.cost_model import Cost, CostModel
from ganflow.stages.status import DONE, standings
from ganflow.stages.units import units

RATE = 100e6 / 8  # bytes a second of a network, for the sentence about downloads


def run(experiment: Experiment, device: str) -> None:
    """Prints a line a stage and the sum; raises UserError as the stages themselves would."""
    standing = standings(list(units(experiment, device)))
    ahead = [unit for unit, kind, _ in standing if kind != DONE]
    with tempfile.TemporaryDirectory() as scratch:
        model = CostModel(experiment, device, Path(scratch))
        costs = [(unit, model.cost(unit)) for unit in ahead]
    by_stage: dict[str, Cost] = defaultdict(Cost)
    for unit, cost in costs:
        by_stage[unit.stage] += cost
    print(f"experiment {experiment.experiment}: {len(ahead)} of {len(standing)} units to do, on {device}")
    print(f"  {'stage':<10}{'units':>6}{'images':>15}{'time':>16}{'disk':>10}")
    for stage, cost in by_stage.items():
        print(f"  {stage:<10}{cost.units:>6}{cost.images:>15,}{_time(cost.seconds):>16}{_size(cost.bytes):>10}")
    _print_sum(experiment, sum((cost for _, cost in costs), Cost()))
    if model.unmeasured:
        print("the extractor's weights are not here, so its work is not in these times: `python -m ganflow extractor`")


def _print_sum(experiment: Experiment, whole: Cost) -> None:
    cores, threads = os.cpu_count() or 1, experiment.compute.threads
    at_once = max(1, cores // threads)
    print(f"in all {_time(whole.seconds)} with `dvc repro`, one after another", end="")
    if at_once > 1:
        print(
            f"; with `snakemake --cores {cores}`, {at_once} at once, at best {_time(whole.seconds / at_once)}", end=""
        )
    free = shutil.disk_usage(".").free
    print(f"\n{_size(whole.bytes)} of disk, twice that where DVC's cache has to copy; {_size(free)} are free here")
    if whole.scratch:
        print(f"and {_size(whole.scratch)} in build/scratch while shards are made, where the archives are unpacked")
    if whole.fetched:
        took = _time(whole.fetched / RATE)
        print(f"to fetch: {_size(whole.fetched)}, which is {took} at 100 Mbit/s and not in the time above")


def _time(seconds: float) -> str:
    """Days, hours and minutes as people say them."""
    for size, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.0f} seconds"


def _size(count: float) -> str:
    """Bytes in units of a thousand."""
    for size, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if count >= size:
            return f"{count / size:.3g} {name}"
    return f"{count / 1e3:.0f} kB"
