"""Where a clone can't stand is said before anything is fetched."""

import os
import shutil
import subprocess

import pytest
from repository import TOP

from ganflow import config
from ganflow.errors import UserError
from ganflow.stages import plan, runs


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    (tmp_path / "clone").mkdir()
    monkeypatch.chdir(tmp_path / "clone")
    return config.load(TOP / "profiles/tiny.yaml")


@pytest.mark.parametrize("top", ["build", "data", "results"])
def test_outputs_behind_a_link_are_refused_with_what_to_do_instead(experiment, tmp_path, top):
    (tmp_path / "disk").mkdir()
    (tmp_path / "clone" / top).symlink_to(tmp_path / "disk")
    said = rf"{top}: is a link to {tmp_path}/disk, .* `dvc cache dir FOLDER` and `dvc config cache\.type symlink`"
    for command in (lambda: runs.run(experiment), lambda: plan.run(experiment, for_dvc=True)):
        with pytest.raises(UserError, match=said):
            command()
    assert not list((tmp_path / "disk").iterdir()) and not (tmp_path / "clone/workflow").exists()


def test_braces_in_the_path_are_refused(experiment, tmp_path, monkeypatch):
    (tmp_path / "a{x}b").mkdir()
    monkeypatch.chdir(tmp_path / "a{x}b")
    with pytest.raises(UserError, match=r"a\{x\}b: DVC can't work in a folder with \{ and \} in its path; rename it"):
        runs.run(experiment)
    assert not list((tmp_path / "a{x}b").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("cure", ["git init --quiet", "dvc config --local core.no_scm true"])
def test_an_archive_of_the_sources_has_no_git_and_is_told_what_dvc_needs(experiment, tmp_path, cure):
    shutil.copytree(TOP / ".dvc", ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
    with pytest.raises(UserError, match=rf"clone: is no git repository, which DVC looks for; run .*`{cure[:8]}"):
        runs.run(experiment)
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(tmp_path), "DVC_NO_ANALYTICS": "1"}
    status = ["dvc", "status"]
    assert subprocess.run(status, env=environment, capture_output=True).returncode != 0
    subprocess.run(cure.split(), env=environment, check=True)
    runs.run(experiment)
    assert subprocess.run(status, env=environment, capture_output=True).returncode == 0
