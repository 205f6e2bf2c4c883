"""The command line: `python -m ganflow <stage> [dataset] [variant] [seed]`. It says what; params.yaml says how.

Exit codes: 0 done; 1 verify or accept found a difference; 2 a mistake outside the code, said in one sentence; 3 status
or verify found that a training diverged, and no difference; 130 interrupted (Ctrl-C or SIGTERM), the same command goes
on. A stage writes logs/<stage>/<dataset>-<variant>-<seed>.log.
"""

import argparse
import errno
import importlib
import os
import platform
import re
import resource
import signal
import sys
import time
import traceback
from contextlib import nullcontext
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from ganflow.errors import UserError
from ganflow.stages.graph import STAGES

COMMANDS = {  # what people run besides
    "runs": "write workflow/runs.yaml, the trainings that both engines read, and mend what a killed DVC left cut off",
    "plan": "check params.yaml and write build/plan.json, one digest a unit of work; --cost: what it will take",
    "status": "what is done, under way, out of date and to do, and why; exit code 3: a training diverged",
    "publish": "show all finished runs in MLflow; --follow: those in training too",
    "compare": "two runs side by side: what differs, and how they score",
    "sample": "images from a trained generator",
    "interpolate": "walks between the latent vectors of a trained generator",
    "verify": "check every artifact against its manifest and dvc.lock or the published one, or compute it again; "
    "exit code 1: it differs; 3: it does not, and a training diverged",
    "accept": "keep outputs whose code changed, if a sample computed again is equal, or that dvc.lock lost, if every "
    "byte is there; exit code 1: not so",
    "clean": "say which scratch of killed and older runs is needed no more, and its size; --remove: delete it",
    "schema": "write params.schema.json, by which editors check params.yaml, and the tables in README and docs",
}
PLANNERS, PLANNING = ("runs", "plan"), Path("build/locks/plan.lock")  # they write the same files, one after another
A_RUN = "a run as dataset/variant/seed (no seed: the first of params.yaml), its folder, or a file of weights"
DISK = {errno.ENOSPC: "make room", errno.EDQUOT: "make room", errno.EROFS: "choose a folder that can be written"}
DISK |= {errno.EACCES: "check who may read and write it", errno.EMFILE: "raise `ulimit -n`"}
DISK |= {errno.EFBIG: "raise `ulimit -f`"}


def main(arguments: list[str] | None = None) -> int:
    """Runs one stage or command; returns the exit code."""
    chosen = vars(_parser().parse_args(arguments))
    stage = chosen.pop("stage")
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _run(stage, chosen)
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        _say(f"{stage} interrupted; the same command goes on from what is finished")
        return 130
    except BaseException as error:  # also the panics of libraries in Rust
        if (mistake := _mistake(error, stage)) is None:
            if isinstance(error, Exception) and (progress := sys.modules.get("ganflow.progress")):
                progress.log(traceback.format_exc(), shown=True)
            raise
        _say(mistake)
        return 2


def _say(sentences: str) -> None:
    from ganflow.progress import log

    for line in sentences.splitlines():
        log(f"ganflow: {line}")


def _mistake(error: BaseException, stage: str) -> str | None:
    """What to tell the user about a failure that is not the code's; None for one that is."""
    if isinstance(error, UserError) and ("out of memory" in str(error) or not _is_of_memory(error)):
        return str(error)
    if isinstance(error, OSError) and (number := _number(error)) in DISK:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{os.strerror(number).lower()}; {DISK[number]} and run it again"
    if isinstance(error, SyntaxError) and error.filename:  # somebody is writing it
        return f"{error.filename} line {error.lineno}: not valid Python: {error.msg}; correct it"
    if type(error).__name__ == "PanicException" and "WouldBlock" in str(error):  # of what reads the sources: no thread
        return f"{stage}: out of memory, or of processes; free some, and run it again"
    if _is_of_memory(error):
        lighter = STAGES[stage].lighter if stage in STAGES else ""
        return f"{stage}: out of memory; {f'in params.yaml, {lighter}' if lighter else 'free some'}, and run it again"
    return None


def _number(error: OSError) -> int:
    """The errno of an error, or of the first of those that `shutil.copytree` collects as texts, or that a library in
    Rust says; 0 if there is none."""
    found = re.search(r"\[Errno (\d+)\]|\(os error (\d+)\)", str(error)) if error.errno is None else None
    return int(found[1] or found[2]) if found else error.errno or 0


def _is_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it was raised for, is that the system has no memory left: a file that can't be
    loaded for that reason is not a wrong file."""
    seen: list[BaseException] = []
    while error and error not in seen:
        if _is_out_of_memory(error):
            return True
        seen.append(error)
        error = error.__cause__ or error.__context__
    return False


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether the system has no memory left; torch says that of a GPU by a class of its own, of a CPU in words, and
    oneDNN, by which torch convolves, in others."""
    if isinstance(error, RuntimeError):
        words = str(error)
        return (
            type(error).__name__ == "OutOfMemoryError"
            or "DefaultCPUAllocator" in words
            or "Cannot allocate memory" in words
            or words == "could not create a primitive"
        )
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ganflow", description="Reproducible GAN research.")
    commands = parser.add_subparsers(dest="stage", required=True, metavar="command")
    for stage in STAGES.values():
        command = commands.add_parser(stage.name, help=stage.purpose, description=stage.purpose)
        for axis in stage.axes:
            command.add_argument(axis, help=f"a {axis} of params.yaml")
    added = {name: commands.add_parser(name, help=text, description=text) for name, text in COMMANDS.items()}
    added["plan"].add_argument("--cost", action="store_true", help="measure, and say hours and disk before anything")
    for_dvc = "fail if the list of runs, by which DVC has read dvc.yaml, changed"
    added["plan"].add_argument("--for-dvc", action="store_true", help=for_dvc)
    added["status"].add_argument("--brief", action="store_true", help="which trainings diverged, and no more")
    follow = "go on until every run is finished, and show the trainings under way too; Ctrl-C ends it"
    added["publish"].add_argument("--follow", action="store_true", help=follow)
    for name in ("one", "other"):
        added["compare"].add_argument(name, help=f"{A_RUN}; no seed: all seeds")
    for name, out in (("sample", "build/samples.png"), ("interpolate", "build/interpolation.png")):
        command = added[name]
        command.add_argument("which", metavar="run", help=A_RUN)
        command.add_argument("--seed", type=_count, default=0, help="of the latent vectors (0)")
        command.add_argument("--weights", choices=("ema", "raw"), help="the averaged weights if there are any (ema)")
        command.add_argument("--out", type=Path, default=Path(out), help=f"where to; .webp and .gif move ({out})")
    added["sample"].add_argument("--images", type=_count, default=64, help="how many (64)")
    added["sample"].epilog = "With a folder as --out (a name without an extension), one file an image."
    added["interpolate"].add_argument("--rows", type=_count, default=8, help="walks (8)")
    added["interpolate"].add_argument("--steps", type=_count, default=10, help="images of a walk (10)")
    verify = added["verify"]
    verify.add_argument("--subset", type=_share, default=1.0, metavar="5%", help="read a random share of the bytes")
    rerun = "compute units again, such as 'train cifar10 wgan 0'; none named: all"
    verify.add_argument("--rerun", nargs="*", metavar="UNIT", help=rerun)
    repair = "put damaged files right, and what DVC's cache holds of them: from the cache, the remotes, or made again; "
    repair += "UNIT as above, or a path in its folder; none named: all, and the whole cache"
    verify.add_argument("--repair", nargs="*", metavar="UNIT", help=repair)
    published = "compare with what dvc.lock at the last commit records, and print a line for docs/exactness.md"
    verify.add_argument("--published", action="store_true", help=published)
    verify.add_argument("--brief", action="store_true", help="with --published: what differs and one sentence, no more")
    scores = "take the scores of this experiment, as dvc.lock records it, into the README"
    added["schema"].add_argument("--scores", action="store_true", help=scores)
    units = "units such as 'train cifar10 wgan 0'; none named: all whose code alone changed"
    added["clean"].add_argument("--remove", action="store_true", help="delete what is listed without it")
    added["accept"].add_argument("names", nargs="*", metavar="UNIT", help=units)
    return parser


def _count(text: str) -> int:
    """An integer from 0 to 2^31 - 1."""
    count = int(text)
    if not 0 <= count < 2**31:
        raise argparse.ArgumentTypeError(f"{text}: write a whole number from 0 on")
    return count


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
    from ganflow import arithmetic, config
    from ganflow.components import without_collector
    from ganflow.stages.meta_kernels import defer_meta_kernels

    experiment = config.load()
    compute = experiment.compute
    if compute.arithmetic == "portable" and stage in (*STAGES, "plan") and (reason := arithmetic.refusal()):
        raise UserError(reason)
    arithmetic.configure(compute.threads, compute.arithmetic)
    os.environ["MPLBACKEND"] = "agg"  # a notebook's is not to be had here
    defer_meta_kernels()
    from ganflow.locks import held
    from ganflow.progress import log, log_to

    if stage in COMMANDS:
        with without_collector():
            command = importlib.import_module(f"ganflow.stages.{stage}")
        with held(PLANNING, stage, log) if stage in PLANNERS else nullcontext():
            return command.run(experiment, **chosen) or 0

    from ganflow.stages.execution import device_of, gpu_facts, log_path, only_writer, write_log
    from ganflow.stages.inputs import check_inputs
    from ganflow.stages.units import unit_of

    with without_collector():
        unit = unit_of(experiment, device_of(experiment), stage, *chosen.values())
    log_to(log_path(unit, ".log"))
    log(f"{unit}: started on {platform.node()}, process {os.getpid()}", shown=True)
    with only_writer(unit):
        check_inputs(unit)
        with without_collector():
            module = importlib.import_module(f"ganflow.stages.{stage}")
        module.run(experiment, **chosen)
        write_log(
            unit,
            seconds=round(time.time() - began, 3),
            finished=round(time.time(), 3),
            peak_memory_mib=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            host=platform.node(),
            **gpu_facts(),
        )
    return 0
