"""The package: the wheel is whole, loads a generator with the core dependencies alone, and gives way to a clone."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from generators import write_generator
from repository import TOP

PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
LOAD = """
import importlib.metadata, re, sys

core = set(sys.argv[2:])
missing = {
    module for module, owners in importlib.metadata.packages_distributions().items()
    if module != "ganflow" and not core & {re.sub("[-_.]+", "-", owner).lower() for owner in owners}
}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import torch
import ganflow
from ganflow.training.weights import load_generator

generator, about = load_generator(sys.argv[1])
print(ganflow.__file__, *generator(torch.zeros(2, about["latent"])).shape)
"""


def named(requirement: str) -> str:
    """The name of the distribution that a requirement asks for, in its normal form."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def needed(requirements: list[str]) -> set[str]:
    """Names of distributions and of all that those depend on, without extras, as installed here."""
    found: set[str] = set()
    rest = [named(requirement) for requirement in requirements]
    while rest:
        if (name := rest.pop()) not in found:
            found.add(name)
            try:
                further = importlib.metadata.requires(name) or []
            except importlib.metadata.PackageNotFoundError:  # of another platform
                further = []
            rest += [named(requirement) for requirement in further if "extra ==" not in requirement]
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, "--wheel-dir", folder, TOP], check=True)
    [built] = folder.glob("ganflow-*.whl")
    return built


def test_the_wheel_holds_every_file_of_the_package(wheel):
    sources = {
        path.relative_to(TOP / "src").as_posix()
        for path in (TOP / "src/ganflow").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == sources


def test_a_generator_loads_in_another_folder_with_the_core_dependencies_alone(wheel, tmp_path):
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", tmp_path / "site", wheel], check=True)
    write_generator(tmp_path / "generator.safetensors", 16, {})
    done = subprocess.run(
        [sys.executable, "-c", LOAD, "generator.safetensors", *needed(PROJECT["dependencies"])],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(tmp_path / "site/ganflow/__init__.py"), "2", "3", "16", "16"]


def test_the_command_runs_the_sources_of_the_clone_it_stands_in(wheel, tmp_path):
    """As an environment shared by clones does, DVC's temporary copies, and `verify --rerun`."""
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", tmp_path / "site", wheel], check=True)
    clone = tmp_path / "clone"
    (clone / "src").mkdir(parents=True)
    subprocess.run(["cp", "-r", TOP / "src/ganflow", clone / "src"], check=True)
    cli = clone / "src/ganflow/stages/cli.py"
    cli.write_text(cli.read_text().replace("Reproducible GAN research.", "The sources of the clone."))
    for command in ([tmp_path / "site/bin/ganflow", "--help"], [sys.executable, "-m", "ganflow", "--help"]):
        for folder, said in ((clone, "The sources of the clone."), (tmp_path, "Reproducible GAN research.")):
            environment = {"PYTHONPATH": str(tmp_path / "site")}
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
            assert done.returncode == 0 and said in done.stdout, done.stderr
