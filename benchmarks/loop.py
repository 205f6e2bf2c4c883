"""What surrounds a training's steps: shares of the time of a run, for each variant of params.yaml.

Trains on the shards of this folder (after `make reproduce`) for `--iterations` iterations, in a temporary folder.
"""

import argparse
import cProfile
import pstats
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from ganflow import arithmetic  # noqa: E402 (the package beside these scripts)
from ganflow.config import load  # noqa: E402

PARTS = {  # functions of training.loop and training.state, none of which calls another
    "steps": ("loop.py", "step"),
    "reading batches": ("loop.py", "_batch"),
    "held-out values": ("loop.py", "validate"),
    "sample grids": ("loop.py", "write_samples"),
    "statistics of averages": ("loop.py", "recompute_statistics"),
    "moving averages": ("averaging.py", "update"),
    "snapshots": ("loop.py", "_write_snapshots"),
    "checkpoints": ("state.py", "save"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, help="of each training (default: those of params.yaml)")
    parser.add_argument("--variants", nargs="+", help="which to train (default: all)")
    options = parser.parse_args()
    experiment = load()
    arithmetic.configure(experiment.compute.threads, experiment.compute.arithmetic)
    from measuring import machine

    print(f"| training | seconds | {' | '.join(PARTS)} | rest | all but steps |\n| --- |{' ---: |' * (len(PARTS) + 3)}")
    for dataset, name in dict.fromkeys((run.dataset, run.variant) for run in experiment.runs):
        if options.variants and name not in options.variants:
            continue
        seconds, shares = profiled(experiment, dataset, name, options.iterations)
        rest = 1 - sum(shares.values())
        shown = [f"{share:.1%}" for share in [*shares.values(), rest, 1 - shares["steps"]]]
        print(f"| {name}, {dataset} | {seconds:.1f} | {' | '.join(shown)} |", flush=True)
    machine(("torch",), experiment.compute.threads)


def profiled(experiment, dataset: str, name: str, iterations: int | None) -> tuple[float, dict[str, float]]:
    """Seconds of a training, and the share of each part."""
    from ganflow.data import SPLITS
    from ganflow.data.reader import Shards
    from ganflow.methods.interfaces import Data
    from ganflow.methods.tasks import method_of, task_of
    from ganflow.training.loop import Trainer

    train, held_out = (Shards(Path("data/shards") / dataset / split, experiment.compute.threads) for split in SPLITS)
    task = task_of(experiment, dataset, name, bool(train.classes))
    training = task.training.model_copy(update={"iterations": iterations} if iterations else {})
    model = method_of(task).build(task, Data(len(train.classes), train.first), 0, "cpu")
    trainer = Trainer(f"{name}, {dataset}", model, training, 0, "cpu", train, held_out)
    profile = cProfile.Profile()
    with tempfile.TemporaryDirectory() as folder:
        profile.runcall(trainer.run, Path(folder))
    stats = pstats.Stats(profile)
    spent = {key: 0.0 for key in PARTS}
    for (file, _, function), (_, _, _, cumulative, _) in stats.stats.items():
        for key, (module, wanted) in PARTS.items():
            if function == wanted and file.endswith(f"training/{module}"):
                spent[key] += cumulative
    return stats.total_tt, {key: seconds / stats.total_tt for key, seconds in spent.items()}


if __name__ == "__main__":
    main()
