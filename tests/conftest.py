"""Fixtures that several folders use: the tiny experiment, copies of the repository, and what all workers share."""

import os
import random
import re
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ganflow import arithmetic

# before numpy and torch are imported; workers with several threads each would wait for one another
arithmetic.configure(1, "portable")

import hypothesis
import numpy as np
import pytest
import torch
from filelock import FileLock
from repository import TOP, Clone, environment_of
from served.programs import Programs, programs

# commands inherit it; a script that starts pytest in its background ignores the signal
signal.signal(signal.SIGINT, signal.default_int_handler)

SERVERS = pytest.StashKey["tempfile.TemporaryDirectory[str]"]()
SHARED = {"tiny_experiment", "undisturbed", "made_once"}  # fixtures that take long to build, once for all workers

hypothesis.settings.register_profile("repeatable", derandomize=True)
hypothesis.settings.load_profile("repeatable")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a set-up of their module share a worker, so that it is built once.

    Long tests begin first, so that no worker waits for another in the end; the very first are one for each set-up that
    workers share, so that none waits while another builds it.
    """
    for item in items:
        used = getattr(item, "_fixtureinfo").name2fixturedefs.values()  # noqa: B009 (pytest offers no public way)
        if any(fixtures[-1].scope == "module" for fixtures in used) and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))

    def together(item: pytest.Item) -> str:
        marker = item.get_closest_marker("xdist_group")
        return marker.args[0] if marker else item.nodeid

    long, builders, users = set(), {}, set()
    for item in items:
        if item.get_closest_marker("slow") or item.path.parent.name == "end_to_end":
            long.add(together(item))
        for name in SHARED.intersection(item.fixturenames):
            builders.setdefault(name, together(item))
            users.add(together(item))

    def rank(item: pytest.Item) -> int:
        if together(item) in builders.values():
            return 0
        return 3 if together(item) not in long else 2 if together(item) in users else 1

    items.sort(key=rank)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """What a test draws without a generator of its own depends on no other test."""
    random.seed(0)
    np.random.seed(0)
    torch.default_generator.manual_seed(0)  # torch.manual_seed also notes a stack for each kind of device: 1 ms


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Fills a folder of some name once for all workers of this session; nobody may change it."""
    top = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        top = top.parent

    def built(name: str, fill: Callable[[Path], None]) -> Path:
        folder, finished = top / "built once" / name, top / "built once" / f"{name}.finished"
        folder.parent.mkdir(exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not finished.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                finished.touch()
        return folder

    return built


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist, in the process that starts the workers
def pytest_configure_node(node) -> None:
    """Tells each worker where the servers of commands are that all of them share."""
    if (folder := node.config.stash.get(SERVERS, None)) is None:
        folder = node.config.stash[SERVERS] = tempfile.TemporaryDirectory(prefix="ganflow-")  # short enough for sockets
        node.config.add_cleanup(folder.cleanup)
    node.workerinput["servers"] = (folder.name, os.getpid())


@pytest.fixture(scope="session")
def preloaded(tmp_path_factory, request: pytest.FixtureRequest) -> Iterator[Programs]:
    """ganflow, DVC and Snakemake, each imported once by a process that forks for every command of any worker."""
    wanted = environment_of(tmp_path_factory.mktemp("preloaded"))
    if shared := getattr(request.config, "workerinput", {}).get("servers"):
        folder, owner = shared
        started = Programs(Path(folder), TOP / "src", wanted, owner)
        started.start_all()
        yield started
        return
    with programs(TOP / "src", wanted) as started:
        started.start_all()
        yield started


@pytest.fixture
def environment(tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment of a command in a copy: this interpreter's programs first, no settings of the user; programs are
    preloaded unless the test is marked `whole_processes`."""
    wanted = environment_of(tmp_path / "cache")
    if request.node.get_closest_marker("whole_processes"):
        return wanted
    return request.getfixturevalue("preloaded").serving(wanted)


@pytest.fixture
def clone(tmp_path: Path, environment: dict[str, str]) -> Clone:
    """A fresh copy of the repository."""
    return Clone.fresh(tmp_path / "clone", environment)


@pytest.fixture
def clones(tmp_path: Path, environment: dict[str, str]):
    """Makes fresh copies of the repository by name."""
    return lambda name: Clone.fresh(tmp_path / name, environment)


@pytest.fixture(scope="session")
def tiny_experiment(once, preloaded) -> Clone:
    """A clone in which `dvc repro` has made the tiny experiment; not to be changed."""

    def fill(folder: Path) -> None:
        Clone.fresh(folder, preloaded.serving(environment_of(folder.with_name("cache")))).run("dvc repro")

    folder = once("tiny experiment", fill)
    return Clone(folder, environment_of(folder.with_name("cache")))


@pytest.fixture
def reproduced(tiny_experiment, tmp_path: Path, environment: dict[str, str]):
    """Makes copies, by name, of a clone in which `dvc repro` has made the tiny experiment."""
    first = Clone(tiny_experiment.folder, environment)
    return lambda name: first.copy(tmp_path / name)


@pytest.fixture(scope="session")
def made_once(once) -> Path:
    """The tiny experiment on the rendered objects alone, two seeds, all done but the report; not to be changed."""
    return once("objects", _make_objects)


def _make_objects(folder: Path) -> None:
    from ganflow.stages.cli import main

    text = re.sub(r"  rendered_bedrooms:.*\n", "", (TOP / "profiles/tiny.yaml").read_text())
    text = text.replace("seeds: [0]", "seeds: [0, 1]").replace("iterations: 6", "iterations: 6, ema: 0.5")
    (folder / "params.yaml").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["extractor"]) == 0
        for stage in ("download", "shard", "extract", "reference"):
            assert main([stage, "rendered_objects"]) == 0
        assert main(["studies"]) == 0
        for variant in ("dcgan", "wgan_gp"):
            for seed in "01":
                for stage in ("train", "generate", "evaluate"):
                    assert main([stage, "rendered_objects", variant, seed]) == 0


@pytest.fixture(scope="session")
def synthetic(once) -> Path:
    """Made-up results of two seeds with their report, under `report`; not to be changed."""
    return once("synthetic", _make_synthetic)


def _make_synthetic(folder: Path) -> None:
    from synthetic_runs import experiment_of, make_runs

    from ganflow.reporting.page import write_report
    from ganflow.reporting.runs import load_runs

    experiment = experiment_of((1, 2))
    make_runs(folder, experiment)
    write_report(experiment, load_runs(experiment, folder), folder / "report")


@pytest.fixture
def finished(made_once, tmp_path, monkeypatch):
    """A copy of the finished experiment, as the current folder."""
    from ganflow import progress

    folder = tmp_path / "finished"
    shutil.copytree(made_once, folder)
    monkeypatch.chdir(folder)
    yield folder
    progress._log = None
