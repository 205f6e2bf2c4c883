"""What a fresh machine installs: exact versions with hashes, the same in the environments that Snakemake makes."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

import grimp
import pytest
from repository import TOP

LOCK = (TOP / "requirements.lock").read_text()
PINNED = {
    "torch": "2.14.1",
    "torchvision": "0.29.1",
    "torch-fidelity": "0.4.0",
    "mlflow": "3.17.2",
    "dvc": "3.67.1",
    "snakemake": "9.27.1",
    "webdataset": "1.0.2",
    "lmdb": "3.0.0",
    "pillow": "13.0.0",
    "pydantic": "2.14.3",
    "numpy": "2.4.6",
}


@pytest.mark.parametrize("package", PINNED)
def test_the_lock_has_the_versions_that_were_asked_for(package):
    assert re.search(rf"^{package}(\[[\w,]+\])?=={re.escape(PINNED[package])}( |$)", LOCK, re.MULTILINE)


def test_every_locked_requirement_has_a_hash_and_no_index_is_named():
    requirements = re.split(r"\n(?=[A-Za-z0-9])", LOCK.strip())
    assert len(requirements) > 200
    assert all("--hash=sha256:" in requirement for requirement in requirements)
    assert "index-url" not in LOCK and "://" not in LOCK


def test_the_environment_of_snakemake_names_this_lock():
    """Snakemake rebuilds an environment when its file changes; the digest in it stands for the lock."""
    text = (TOP / "envs/ganflow.yaml").read_text()
    assert f"sha256 {hashlib.sha256(LOCK.encode()).hexdigest()}" in text
    assert "--requirement ../../requirements.lock" in text  # as seen from .snakemake/conda, where Snakemake puts it


def test_an_old_python_is_refused_with_a_sentence(tmp_path):
    done = subprocess.run(
        ["make", "environment", f"VENV={tmp_path}/none", "PYTHON=/bin/false"], cwd=TOP, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "ganflow runs on Python 3.11; install it, or say where it is: make PYTHON=" in done.stdout
    assert not (tmp_path / "none").exists()


def test_ci_runs_the_test_command_of_the_readme():
    assert "make test" in (TOP / ".ci/run").read_text() and "make test" in (TOP / "README.md").read_text()


def test_the_linter_reads_every_source_file():
    """An exclusion of the symlink at the top once left out the package itself."""
    listed = subprocess.run(
        ["ruff", "check", "--show-files"], cwd=TOP, capture_output=True, text=True, check=True
    ).stdout
    read = set(listed.splitlines())
    assert {str(path) for path in (TOP / "src").rglob("*.py")} <= read


def test_every_library_that_the_package_imports_is_declared():
    """Under [project]: in the core or in an extra that people install to run it."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = {
        re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()
        for requirement in project["dependencies"] + extras["pipeline"] + extras["tracking"]
    }
    owners = packages_distributions()
    graph = grimp.build_graph("ganflow", include_external_packages=True, cache_dir=None)
    imported = {module for module in graph.modules if not module.startswith("ganflow")} - sys.stdlib_module_names
    undeclared = {
        module
        for module in imported
        if not declared & {re.sub(r"[-_.]+", "-", owner).lower() for owner in owners[module]}
    }
    assert len(imported) > 15 and undeclared == set()


def test_a_clone_with_line_ends_of_windows_has_the_same_bytes(tmp_path):
    names = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, capture_output=True, check=True).stdout.decode()
    for name in filter(None, names.split("\0")):
        if not (TOP / name).is_symlink() and (TOP / name).is_file():
            (tmp_path / "from" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / name, tmp_path / "from" / name)
    made = (
        "git init --quiet && git add --all && git -c user.name=a -c user.email=a@localhost commit --quiet --message a"
    )
    subprocess.run(made, shell=True, cwd=tmp_path / "from", check=True)
    clone = ["git", "clone", "--quiet", "--config", "core.autocrlf=true", tmp_path / "from", tmp_path / "to"]
    subprocess.run(clone, check=True)
    files = [path for path in (tmp_path / "from").rglob("*") if path.is_file() and ".git" not in path.parts]
    assert len(files) > 300
    for path in files:
        assert (tmp_path / "to" / path.relative_to(tmp_path / "from")).read_bytes() == path.read_bytes(), path


def test_a_clone_newer_than_a_shared_environment_does_not_install_it_again(tmp_path):
    said = ["make", "--dry-run", f"VENV={tmp_path}", "environment"]
    assert "--require-hashes" in subprocess.run(said, cwd=TOP, capture_output=True, text=True, check=True).stdout
    checksum = subprocess.run("cksum < requirements.lock", shell=True, cwd=TOP, capture_output=True, text=True).stdout
    marker = tmp_path / f".ganflow-{checksum.split()[0]}"
    marker.touch()
    os.utime(marker, (1, 1))
    assert "--require-hashes" not in subprocess.run(said, cwd=TOP, capture_output=True, text=True, check=True).stdout


@pytest.mark.xdist_group("one worker")
def test_tests_of_a_group_go_to_one_worker(request):
    """pytest-xdist 3.8 tells groups by the names of tests, which pytest 9.2 does not let it change: each worker then
    builds what a group shares, and nothing says so."""
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("tests are not sent to workers by their groups")
    assert request.node.nodeid.endswith("@one worker")
