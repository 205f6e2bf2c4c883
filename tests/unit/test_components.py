"""What lies in a folder of components: what editors leave there is no component and changes nothing; what is
half-written, foreign or not text is told with its name where params.yaml names it, and left out where it does not."""

import os
import shutil
import subprocess
import sys

import pytest
from repository import TOP

FAMILIES = "src/ganflow/networks/families"
LEFT = {  # by editors and file managers
    "#dcgan.py#": b"x =",
    ".dcgan.py.swp": b"\xff\0",
    "dcgan.py~": b"x = 1\n",
    "dcgan (copy).py": b"x = 1\n",
    ".ipynb_checkpoints/dcgan-checkpoint.py": b"def f(\n",
}
FAULTY = {
    "half": (
        b"import math\n\ndef f(\n",
        "half.py line 3: not valid Python: '(' was never closed; correct it, or name another",
    ),
    "foreign": (b"x = 1\n", "foreign.py: defines no components, and is to define one, a subclass"),
    "latin": (
        b'x = "\xe9"\n',
        "latin.py line 1: not valid Python: (unicode error) 'utf-8' codec can't decode byte 0xe9",
    ),
    "zero": (b"x = 1\0\n", "zero.py: not valid Python: source code string cannot contain null bytes"),
    "unfinished": (b"x = 1\ny = z\n", "unfinished.py line 2: NameError: name 'z' is not defined"),
    "dangling": (None, "dangling.py: a link that leads nowhere; correct it"),
}
IMPORT = """
import sys
from ganflow.components import component_names, named_class
from ganflow.errors import UserError
print(*component_names("networks.families"))
for name in sys.argv[1:]:
    try:
        named_class("networks.families", name, "variants.one.network")
    except UserError as error:
        print(error)
"""


@pytest.fixture
def sources(tmp_path):
    """A copy of the sources with the tiny experiment, and what runs Python in it."""
    shutil.copytree(TOP / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(TOP / "profiles/tiny.yaml", tmp_path / "params.yaml")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command, environment = [sys.executable, *arguments], os.environ | {"PYTHONPATH": str(tmp_path / "src")}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    return tmp_path, run


def put(folder, files) -> None:
    for name, content in files.items():
        path = folder / FAMILIES / name
        path.parent.mkdir(exist_ok=True)
        path.symlink_to("nowhere") if content is None else path.write_bytes(content)


@pytest.mark.slow
def test_what_is_not_named_stops_nothing_and_changes_no_digest(sources):
    folder, run = sources
    plan = folder / "build/plan.json"
    assert run("-m", "ganflow", "plan").returncode == 0
    before = plan.read_bytes()
    put(folder, LEFT | {".#dcgan.py": None} | {f"{name}.py": content for name, (content, _) in FAULTY.items()})
    done = run("-m", "ganflow", "plan")
    assert (done.returncode, done.stderr) == (0, "") and plan.read_bytes() == before

    (folder / "src/ganflow/training/loop.py").write_text("def f(\n")  # trainings import it, and no plan
    done = run("-m", "ganflow", "plan")
    said = "ganflow: src/ganflow/training/loop.py line 1: not valid Python: '(' was never closed; correct it\n"
    assert (done.returncode, done.stderr) == (2, said)


def test_what_is_named_is_told_in_one_sentence(sources):
    folder, run = sources
    put(folder, LEFT | {".#dcgan.py": None} | {f"{name}.py": content for name, (content, _) in FAULTY.items()})
    names, *told = run("-c", IMPORT, *FAULTY).stdout.splitlines()
    assert set(FAULTY) < set(names.split()) and "dcgan" in names and "copy" not in names and "#" not in names
    assert len(told) == len(FAULTY), told
    for name, line in zip(FAULTY, told, strict=True):
        assert line.startswith(f"params.yaml: variants.one.network = {name!r}: {FAMILIES}/{FAULTY[name][1]}"), line


@pytest.mark.slow
def test_dvc_takes_no_notice_of_what_editors_leave():
    left = [f"{FAMILIES}/{name}" for name in (*LEFT, ".#dcgan.py") if "copy" not in name]
    done = subprocess.run(
        ["dvc", "check-ignore", *left, f"{FAMILIES}/dcgan.py"], cwd=TOP, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == left
