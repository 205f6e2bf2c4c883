"""What several tests share: the tiny experiment, and copies of the repository to run the engines in."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from repository import TOP, Clone

os.environ["OMP_NUM_THREADS"] = (
    "1"  # before torch is imported: several workers with several threads each wait for one another
)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Draws of torch without a seed of their own are the same in every order of the tests."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a command in a copy: this interpreter's programs first, no settings of the user."""
    programs = Path(sys.executable).parent
    return {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "test",
        "GIT_AUTHOR_EMAIL": "test@localhost",
        "GIT_COMMITTER_NAME": "test",
        "GIT_COMMITTER_EMAIL": "test@localhost",
    }


@pytest.fixture
def clone(tmp_path: Path, environment: dict[str, str]) -> Clone:
    """A fresh copy of the repository."""
    return Clone.fresh(tmp_path / "clone", environment)


@pytest.fixture
def clones(tmp_path: Path, environment: dict[str, str]):
    """Makes fresh copies of the repository by name."""
    return lambda name: Clone.fresh(tmp_path / name, environment)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """The tiny experiment on the drawn objects alone, two seeds, all done but the report; not to be changed."""
    from ganflow.stages.cli import main

    folder = tmp_path_factory.mktemp("finished")
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
    return folder


@pytest.fixture
def finished(made_once, tmp_path, monkeypatch):
    """A copy of the finished experiment, as the current folder."""
    from ganflow import progress

    folder = tmp_path / "finished"
    shutil.copytree(made_once, folder)
    monkeypatch.chdir(folder)
    yield folder
    progress._log = None
