"""The code of a unit: what it does counts, how it is written does not; infrastructure is declared."""

import ast
import shutil

import pytest

from ganflow.stages import digests
from ganflow.stages.digests import INFRASTRUCTURE, PACKAGE, closure, imports, module_digest, syntax_tree
from ganflow.stages.graph import STAGES

SOURCE = '''"""A module."""

import math

RATE = 0.5  # of something


class Thing:
    """A class."""

    def area(self, radius: float, scale: float = 1.0) -> float:
        """A method."""
        return math.pi * radius**2 * scale


def word() -> str:
    """A function."""
    return "docstring"
'''
COMPUTE = {"PIL", "lmdb", "matplotlib", "numpy", "safetensors", "scipy", "torch", "torchvision"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"""A module."""', '"""Another."""\n# and a comment'),
        ('"""A class."""', '"""A class,\n\n    at length.\n    """'),
        ('        """A method."""\n', ""),
        ("  # of something", ""),
        ("radius: float, scale: float = 1.0)", "\n        radius: float,\n        scale: float = 1.0,\n    )"),
        ("RATE = 0.5", "RATE = .5"),
        ('"docstring"', "'docstring'"),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(before, after):
    assert before in SOURCE
    assert syntax_tree(SOURCE.replace(before, after)) == syntax_tree(SOURCE)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("RATE = 0.5", "RATE = 0.6"),
        ("radius**2", "radius**3"),
        ("scale: float = 1.0", "scale: float = 2.0"),
        ("radius: float,", "radius: int,"),
        ('return "docstring"', 'return "another"'),
        ("import math", "import cmath as math"),
        ("    def area", "    @staticmethod\n    def area"),
        ("class Thing:", "class Thing(list):"),
    ],
)
def test_everything_else_counts(before, after):
    assert before in SOURCE
    assert syntax_tree(SOURCE.replace(before, after)) != syntax_tree(SOURCE)


def test_no_code_reads_the_docstrings_that_do_not_count():
    readers = {"__doc__", "getdoc", "getsource", "getcomments"}
    for module in sorted(imports().modules):
        path = PACKAGE.joinpath(*module.split(".")[1:])
        tree = ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text())
        named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not readers & named, module


def test_data_files_are_part_of_the_package_that_they_lie_in(tmp_path, monkeypatch):
    copy = tmp_path / "ganflow"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(digests, "PACKAGE", copy)
    packages = ("ganflow", "ganflow.reporting", "ganflow.data")

    def now() -> list[str]:
        module_digest.cache_clear()
        return [module_digest(package) for package in packages]

    before = now()
    for name in ("reporting/assets/added.css", "reporting/added.html"):
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_text("one")
        one = now()
        (copy / name).write_text("other")
        other = now()
        assert before[1] != one[1] != other[1] and before[::2] == one[::2] == other[::2]
        before = other
    module_digest.cache_clear()


def test_infrastructure_is_run_by_units():
    run = closure(f"ganflow.stages.{stage}" for stage in STAGES)
    assert run | closure(["ganflow.data.sources.official"]) >= INFRASTRUCTURE.keys()


@pytest.mark.parametrize("module", INFRASTRUCTURE)
def test_infrastructure_computes_nothing_and_runs_nothing_that_does(module):
    allowed = {*INFRASTRUCTURE, "ganflow", "ganflow.serialization"}
    assert imports().find_modules_directly_imported_by(module) <= allowed
    tree = ast.parse(PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py").read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name.partition(".")[0] for name in names} & COMPUTE
