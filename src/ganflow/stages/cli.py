"""The command line: `python -m ganflow <stage> [dataset] [variant] [seed]`. It says what; params.yaml says how.

Exit codes: 0 done; 1 verify found a difference; 2 a mistake outside the code, said in one sentence; 130 interrupted
(Ctrl-C
or SIGTERM), the same command goes on.
"""

import argparse
import importlib
import os
import platform
import resource
import signal
import sys
import time
from types import FrameType
from typing import Any, NoReturn

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
    "schema": ((), "write params.schema.json, by which editors check params.yaml"),
}


def main(arguments: list[str] | None = None) -> int:
    """Runs one stage; returns the exit code."""
    chosen = vars(_parser().parse_args(arguments))
    stage = chosen.pop("stage")
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _run(stage, chosen)
    except UserError as error:
        print(f"ganflow: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print(f"ganflow: {stage} interrupted; the same command goes on from what is finished", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ganflow", description="Reproducible GAN research.")
    commands = parser.add_subparsers(dest="stage", required=True, metavar="stage")
    for stage, (axes, purpose) in STAGES.items():
        command = commands.add_parser(stage, help=purpose, description=purpose)
        for axis in axes:
            command.add_argument(axis, help=f"a {axis} of params.yaml")
    purpose = "check every artifact against its manifest and dvc.lock, or compute it again and compare"
    verify = commands.add_parser(
        "verify", help=purpose, description=f"{purpose}. Exit codes: 0 equal, 1 differs, 2 mistake."
    )
    verify.add_argument(
        "--subset", type=_share, default=1.0, metavar="5%", help="read a random share of each unit's bytes"
    )
    verify.add_argument(
        "--rerun",
        nargs="*",
        metavar="UNIT",
        help="compute units again, such as 'train cifar10 wgan 0'; none named: all",
    )
    return parser


def _share(text: str) -> float:
    """A share in (0, 1] from a percentage such as 5%."""
    share = float(text.removesuffix("%")) / 100
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text}: write a percentage above 0% and up to 100%")
    return share


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _run(stage: str, chosen: dict[str, Any]) -> int:
    began = time.time()
    from ganflow import config

    experiment = config.load()
    for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"):
        os.environ[f"{library}_NUM_THREADS"] = str(experiment.compute.threads)
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    code = importlib.import_module(f"ganflow.stages.{stage}").run(experiment, **chosen)
    if stage in ("plan", "publish", "schema", "verify"):
        return code or 0
    from ganflow.stages.execution import write_log

    write_log(
        stage,
        tuple(chosen.values()),
        seconds=round(time.time() - began, 3),
        finished=round(time.time(), 3),
        peak_memory_mib=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        host=platform.node(),
    )
    return 0
