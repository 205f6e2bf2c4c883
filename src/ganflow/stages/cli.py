"""The command line: `python -m ganflow <stage> [dataset] [variant] [seed]`. It says what; params.yaml says how.

Exit codes: 0 done; 2 a mistake outside the code, said in one sentence; 130 interrupted, the same command goes on.
"""

import argparse
import importlib
import os
import platform
import resource
import sys
import time

from ganflow.errors import UserError

STAGES = {
    "plan": ((), "check params.yaml and write build/plan.yaml, one digest a unit of work"),
    "download": (("dataset",), "fetch or draw the official archives"),
    "shard": (("dataset",), "cut images to size, write WebDataset tars and their index"),
    "reference": (("dataset",), "statistics of the real images, for the scores"),
    "train": (("dataset", "variant", "seed"), "train one variant"),
    "evaluate": (("dataset", "variant", "seed"), "score one trained generator"),
    "report": ((), "figures, tables and index.html"),
    "publish": ((), "show all finished runs in MLflow"),
}


def main(arguments: list[str] | None = None) -> int:
    """Runs one stage; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ganflow", description="Reproducible GAN research.")
    commands = parser.add_subparsers(dest="stage", required=True, metavar="stage")
    for stage, (axes, purpose) in STAGES.items():
        command = commands.add_parser(stage, help=purpose, description=purpose)
        for axis in axes:
            command.add_argument(axis, help=f"a {axis} of params.yaml")
    chosen = vars(parser.parse_args(arguments))
    stage = chosen.pop("stage")
    try:
        _run(stage, tuple(chosen.values()))
    except UserError as error:
        print(f"ganflow: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("ganflow: interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    return 0


def _run(stage: str, axes: tuple[str, ...]) -> None:
    began = time.time()
    from ganflow import config

    experiment = config.load()
    for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"):
        os.environ[f"{library}_NUM_THREADS"] = str(experiment.compute.threads)
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    importlib.import_module(f"ganflow.stages.{stage}").run(experiment, *axes)
    if stage in ("plan", "publish"):
        return
    from ganflow.stages.execution import write_log

    write_log(
        stage,
        axes,
        seconds=round(time.time() - began, 3),
        finished=round(time.time(), 3),
        peak_memory_mib=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        host=platform.node(),
    )
