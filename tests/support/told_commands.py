"""The commands that messages tell the user to run, found in the source, so that none is told that nobody has tried."""

import ast
import re
from typing import NamedTuple

from repository import TOP

PROGRAMS = ("dvc", "ganflow", "make", "mv", "python", "snakemake", "ulimit", ".")
COMMAND = re.compile(rf"`((?:{'|'.join(map(re.escape, PROGRAMS))}) [^`]+)`")
SOURCES = ("src/ganflow/**/*.py", "workflow/**/*.py")


class Told(NamedTuple):
    """A command in a message: the module and the message, with {} for what varies."""

    module: str
    command: str
    message: str


def commands(message: str) -> list[str]:
    """The commands in a message, in the order in which they are told."""
    return COMMAND.findall(message)


def told() -> list[Told]:
    """Every command in a string of the source that is not a docstring."""
    found = []
    for pattern in SOURCES:
        for path in sorted(TOP.glob(pattern)):
            module = ".".join(path.relative_to(TOP).with_suffix("").parts).removeprefix("src.")
            source = path.read_text()
            if any(f"`{program}" in source for program in PROGRAMS):
                found += [Told(module, command, text) for text in _strings(source) for command in commands(text)]
    return found


def _strings(source: str) -> list[str]:
    nodes = list(ast.walk(ast.parse(source)))
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef)
    described = [node for node in nodes if isinstance(node, owners) and ast.get_docstring(node)]
    documented = {id(getattr(node.body[0], "value")) for node in described}  # noqa: B009 (an expression)
    inside = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    texts = []
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            texts.append("".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented | inside:
            texts.append(node.value)
    return texts


REPAIR = "python -m ganflow verify --repair {}"
# told by these modules and executed, as read from what is printed, by tests/end_to_end/test_cures.py
CURES = {
    "dvc repro": {
        "ganflow.artifacts",
        "ganflow.data.formats.cifar10",
        "ganflow.data.formats.lsun_bedroom",
        "ganflow.evaluation.extraction",
        "ganflow.reporting.runs",
        "ganflow.stages.accept",
        "ganflow.stages.publish",
        "ganflow.stages.published",
        "ganflow.stages.published_scores",
        "ganflow.stages.runs",
        "ganflow.stages.status",
        "ganflow.stages.verify",
        "ganflow.tensor_metadata",
    },
    REPAIR: {"ganflow.artifacts"},
    "python -m ganflow plan": {"ganflow.stages.execution"},
    'python -m ganflow verify --rerun "{}"': {"ganflow.stages.published"},
    "python -m ganflow verify": {"ganflow.stages.status"},
    "ganflow schema --scores": {"ganflow.stages.published_scores"},
    "mv {} {}.newer": {"ganflow.reporting.tracking_store"},
}
# executed by other tests: (module, command) and the file of the test
ELSEWHERE = {
    ("ganflow.reporting.publishing", "python -m ganflow publish"): "end_to_end/test_tracking_server.py",
    ("ganflow.stages.dvc_objects", "dvc push --remote {}"): "end_to_end/test_repair.py",
    ("ganflow.stages.repair", "dvc repro"): "end_to_end/test_repair.py",
    ("ganflow.stages.cost", "python -m ganflow extractor"): "conftest.py",
    ("ganflow.stages.cost", "snakemake --cores {}"): "end_to_end/test_engines.py",
    ("ganflow.stages.cost", "dvc repro"): "end_to_end/test_engines.py",
    ("ganflow.stages.status", "snakemake --cores N"): "end_to_end/test_engines.py",
    ("ganflow.stages.status", "python -m ganflow plan --cost"): "end_to_end/test_commands.py",
    ("ganflow.stages.status", "python -m ganflow clean"): "unit/stages/test_leftovers.py",
    ("ganflow.stages.clean", "python -m ganflow clean --remove"): "unit/stages/test_leftovers.py",
    ("ganflow.stages.dvc_lock", "python -m ganflow runs"): "end_to_end/test_dvc_lock.py",
    ("ganflow.stages.dvc_lock", "python -m ganflow accept"): "end_to_end/test_dvc_lock.py",
    ("ganflow.stages.dvc_lock", "dvc repro"): "end_to_end/test_dvc_lock.py",
    ("ganflow.stages.place", "dvc config --local core.no_scm true"): "unit/stages/test_place.py",
    ("ganflow.stages.place", "dvc cache dir FOLDER"): "end_to_end/test_cures.py",
    ("ganflow.stages.place", "dvc config cache.type symlink"): "end_to_end/test_cures.py",
    ("ganflow.stages.report", "python -m ganflow status --brief"): "end_to_end/test_divergence.py",
    ("ganflow.data.reader", "ulimit -n"): "unit/data/test_reader.py",
    ("workflow.freshness", "dvc repro --force --single-item STAGE"): "end_to_end/test_dry_run.py",
}
# not executed, and why
NOT_EXECUTED = {
    ("ganflow.__main__", "make environment"): "installs 7 GB",
    ("ganflow.__main__", ". .venv/bin/activate"): "comes after it",
    ("ganflow.arithmetic", "python -m ganflow"): "names the command whose every test it is",
    ("ganflow.data.formats.points", "dvc repro"): "the words of cifar10 and lsun_bedroom, for the same fault",
    ("ganflow.evaluation.sample_sets", "dvc repro"): "the plain command, after a change of parameters",
    ("ganflow.stages.accept", "dvc {}"): "what failed, and not a cure",
    ("ganflow.stages.cli", "ulimit -f"): "of the shell",
    ("ganflow.stages.cli", "ulimit -n"): "of the shell; in the reader's words",
    ("ganflow.stages.measured_faults", "dvc repro"): "the name of a column",
    ("ganflow.stages.measured_faults", "dvc status"): "the name of a column",
    ("ganflow.stages.measured_faults", "python benchmarks/faults.py --record"): "attacks for half an hour",
    ("ganflow.stages.measured_mutants", "make mutation"): "tries mutants for half an hour",
    ("ganflow.stages.measured_steps", "python benchmarks/step.py --record"): "measures for an hour",
    ("ganflow.stages.publish", "make ui"): "serves until it is stopped",
    ("ganflow.stages.runs", "python -m ganflow runs"): "says who wrote a file, and not a cure",
}
