"""Modules declared to be infrastructure cannot change bytes: stages write the same with others in their place."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from repository import TOP

from ganflow.stages.digests import INFRASTRUCTURE

pytestmark = pytest.mark.slow

SPOKEN = {"log", "print", "Progress", "UserError", "SourceFailed", "_Interrupted"}
SILENT = '''"""Progress that says nothing."""

from pydantic import BaseModel


class RunLog(BaseModel): ...


def log(line, shown=False): ...


def log_to(path): ...


class Progress:
    def __init__(self, what, total, unit, done=0): ...

    def advance(self, count=1, note=""): ...

    def __enter__(self):
        return self

    def __exit__(self, *error): ...
'''
RUN = ("rendered_objects", "dcgan", "0")
STAGES = [["extractor"], *([name, RUN[0]] for name in ("download", "shard", "extract", "reference"))]
STAGES += [[name, *RUN] for name in ("train", "generate", "evaluate")]
WORK = """
import sys
from ganflow.stages.cli import main
for stage in sys.argv[1:]:
    assert main(stage.split()) == 0
"""


class Altered(ast.NodeTransformer):
    """A module with other words in its messages and twice the numbers in its constants."""

    def visit_Call(self, node: ast.Call) -> ast.Call:
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in SPOKEN:
            node.args = [self._reworded(argument) for argument in node.args]
        return self.generic_visit(node)

    def _reworded(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.JoinedStr):
            return ast.JoinedStr([ast.Constant("in other words: "), *node.values])
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return ast.Constant(f"in other words: {node.value}")
        return node

    def visit_Module(self, node: ast.Module) -> ast.Module:
        for statement in node.body:
            if isinstance(statement, ast.Assign) and re.fullmatch("[A-Z_]+", getattr(statement.targets[0], "id", "")):
                parts = list(ast.walk(statement.value))
                numbers = [type(part.value) in (int, float) for part in parts if isinstance(part, ast.Constant)]
                if isinstance(statement.value, ast.Constant | ast.BinOp) and numbers and all(numbers):
                    statement.value = ast.BinOp(statement.value, ast.Mult(), ast.Constant(2))
        return self.generic_visit(node)


def altered(source: str) -> str:
    return ast.unparse(ast.fix_missing_locations(Altered().visit(ast.parse(source))))


def contents(folder, modules: dict[str, str], stages: list[list[str]] = STAGES) -> dict[str, str]:
    """{output: digest of its content} of some stages of one run, with other source for some modules."""
    shutil.copytree(TOP / "src/ganflow", folder / "ganflow", ignore=shutil.ignore_patterns("__pycache__"))
    for module, source in modules.items():
        folder.joinpath(*module.split(".")).with_suffix(".py").write_text(source)
    text = (TOP / "profiles/tiny.yaml").read_text().replace("iterations: 6", "iterations: 6, ema: 0.5")
    (folder / "params.yaml").write_text(re.sub(r"  rendered_bedrooms:.*\n", "", text))
    command = [sys.executable, "-c", WORK, *(" ".join(stage) for stage in stages)]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": str(folder)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    manifests = {path: json.loads(path.read_text()) for path in folder.glob("*/**/manifest.json")}
    return {path.relative_to(folder).as_posix(): about["content"] for path, about in manifests.items()}


def source_of(module: str) -> str:
    return (TOP / "src").joinpath(*module.split(".")).with_suffix(".py").read_text()


def test_other_infrastructure_writes_the_same_bytes_and_other_computation_does_not(tmp_path):
    expected = contents(tmp_path / "as it is", {})
    assert len(expected) == len(STAGES)
    other = {module: altered(source_of(module)) for module in INFRASTRUCTURE}
    assert sum(text != ast.unparse(ast.parse(source_of(module))) for module, text in other.items()) >= 6
    assert contents(tmp_path / "other", other | {"ganflow.progress": SILENT}) == expected

    module = "ganflow.training.averaging"  # the same alteration of a module that computes is seen where it is run
    stages = [stage for stage in STAGES if stage[0] in ("download", "shard", "train")]
    found = contents(tmp_path / "computes otherwise", {module: altered(source_of(module))}, stages)
    trained = "results/tiny/runs/rendered_objects/dcgan/0/manifest.json"
    assert (
        found[trained] != expected[trained] and found["data/shards/rendered_objects/manifest.json"] in expected.values()
    )
