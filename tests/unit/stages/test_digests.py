"""The code of a unit: what it does counts, how it is written does not; infrastructure is declared. What accompanies
images counts in shards alone."""

import ast
import shutil
from pathlib import Path

import pytest
from repository import TOP

from ganflow import config
from ganflow.stages import digests, units
from ganflow.stages.digests import INFRASTRUCTURE, PACKAGE, closure, imports, module_digest, syntax_tree
from ganflow.stages.graph import STAGES
from ganflow.stages.units import unit_of

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


# ---- conditions

SHARD, DOWNLOAD = ("shard", "rendered_bedrooms"), ("download", "rendered_bedrooms")
LISTS = [
    "[edges]",
    "[{edges: {threshold: 100}}]",
    "[greyscale]",
    "[edges, greyscale]",
    "[greyscale, edges]",
    "[caption]",
]
LISTS += [f"[{{counterpart: {{attribute: time, values: [day, {other}]}}}}]" for other in ("night", "evening")]


def accompanied(folder: Path, listed: str, source: str = "train: 64") -> config.Experiment:
    """The tiny experiment, whose bedrooms are accompanied by conditions and rendered by a source."""
    text = (TOP / "profiles/tiny.yaml").read_text()
    described = "{{rendered: {{{}, validation: 16}}}}, resolution: 32, shard_size: 40{}}}"
    assert (before := described.format("train: 64", "")) in text
    text = text.replace(before, described.format(source, f", conditions: {listed}"))
    (folder / "params.yaml").write_text(text)
    return config.load(folder / "params.yaml")


def digests_with(folder: Path, listed: str, source: str = "train: 64") -> dict[tuple[str, ...], str]:
    return {(u.stage, *u.axes): u.digest for u in units.units(accompanied(folder, listed, source), "cpu")}


def test_a_shard_depends_on_what_accompanies_its_images(tmp_path):
    without = digests_with(tmp_path, "[]")
    found = [digests_with(tmp_path, listed) for listed in LISTS]
    assert len({without[SHARD], *(one[SHARD] for one in found)}) == 1 + len(LISTS)
    for one in found:
        assert {unit for unit in one if one[unit] != without[unit]} == {SHARD}


@pytest.mark.parametrize("listed", LISTS)
def test_what_is_rendered_does_not_depend_on_what_accompanies_it(tmp_path, listed):
    assert digests_with(tmp_path, listed)[DOWNLOAD] == digests_with(tmp_path, "[]")[DOWNLOAD]


@pytest.mark.parametrize("source", ["train: 64, seed: 1", "train: 65"])
@pytest.mark.parametrize(
    ("listed", "scene"),
    [("[]", False), ("[edges, greyscale]", False), ("[caption]", True), ("[edges, attributes]", True)],
)
def test_a_shard_depends_on_its_source_where_a_condition_needs_the_scene(tmp_path, listed, scene, source):
    before, after = digests_with(tmp_path, listed), digests_with(tmp_path, listed, source)
    assert {unit for unit in before if before[unit] != after[unit]} == ({DOWNLOAD, SHARD} if scene else {DOWNLOAD})


@pytest.mark.parametrize(("listed", "scene"), [("[edges]", False), ("[edges, caption]", True)])
def test_a_shard_runs_its_conditions_and_the_scene_where_they_need_it(tmp_path, listed, scene):
    code = unit_of(accompanied(tmp_path, listed), "cpu", *SHARD).code
    found = {module.removeprefix("ganflow.data.") for module in code}
    assert "conditions.edges" in found and "conditions.greyscale" not in found and "scenes.objects" not in found
    assert ({"conditions.caption", "scenes.bedrooms", "sources.rendered"} <= found) == scene
    assert ("scenes.bedrooms" in found) == scene
