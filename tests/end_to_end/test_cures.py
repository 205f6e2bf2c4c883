"""What a message tells the user to run puts right what it is about: the commands are read from what is printed."""

import json
import re
import shlex
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from damage import cut, flip
from repository import TOP as REPOSITORY
from repository import Clone
from told_commands import CURES, REPAIR, commands, told

from ganflow import config
from ganflow.artifacts import change_manifest, read_csv, read_json, read_manifest
from ganflow.data.formats.cifar10 import Cifar10
from ganflow.data.formats.lsun_bedroom import LsunBedroom
from ganflow.data.reader import Shards
from ganflow.errors import UserError
from ganflow.evaluation.extraction import identity_of
from ganflow.reporting.mlflow_model import header
from ganflow.reporting.runs import load_run
from ganflow.reporting.sample_grids import read_image
from ganflow.stages import accept, publish, published_scores
from ganflow.stages.cli import main
from ganflow.stages.execution import PLAN, device_of
from ganflow.stages.inputs import check_inputs
from ganflow.stages.runs import RUNS
from ganflow.stages.runs import check as check_runs
from ganflow.stages.units import unit_of
from ganflow.tensor_files import load_tensors
from ganflow.training.weights import load_export

pytestmark = pytest.mark.slow
TOP = Path("results/tiny")
OBJECTS, BEDROOMS = ("rendered_objects", "wgan_gp", "0"), ("rendered_bedrooms", "dcgan", "0")
RUN, OTHER = (TOP.joinpath("runs", *axes) for axes in (OBJECTS, BEDROOMS))
SCORES, OTHER_SCORES = (TOP.joinpath("scores", *axes) for axes in (OBJECTS, BEDROOMS))
SHARDS = Path("data/shards/rendered_objects/train")


class Workspace:
    """A finished clone as the current folder; `good` is what stands in it."""

    def __init__(self, clone: Clone, capfd: pytest.CaptureFixture[str]):
        self.clone, self.capfd = clone, capfd
        self.good = self.outputs()
        clone.run("dvc status --quiet")  # DVC remembers sizes, dates and inodes, by which it knows files again

    def outputs(self) -> dict[Path, bytes]:
        files = (path for top in ("data", "results") for path in Path(top).rglob("*"))
        return {path: path.read_bytes() for path in files if path.is_file()}

    def said(self, probe: Callable[[], object]) -> str:
        """What is told when something is tried; empty if it works, and tells no command."""
        self.capfd.readouterr()
        try:
            probe()
        except UserError as error:
            return str(error)
        printed = self.capfd.readouterr()
        return "\n".join(line for line in (printed.out + printed.err).splitlines() if commands(line))

    def run(self, command: str) -> None:
        program = "python -m ganflow "
        if command.startswith((program, "ganflow ")):
            assert main(shlex.split(command.removeprefix(program).removeprefix("ganflow "))) == 0, command
        else:
            self.clone.run(command)


@pytest.fixture
def workspace(reproduced, monkeypatch, capfd):
    clone = reproduced("clone")
    monkeypatch.chdir(clone.folder)
    return Workspace(clone, capfd)


def tellers(said: str, command: str) -> set[str]:
    """The modules whose message with this command it is."""
    return {
        known.module
        for known in told()
        if known.command == command
        and re.search(re.escape(known.message.strip()).replace(r"\{\}", ".*"), said, re.DOTALL)
    }


def edit_json(path: Path, change: Callable[[dict], object]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def test_what_is_told_to_be_repaired_is_repaired(workspace):
    """Damage to a file of every kind, as the code that reads it tells; the first cure of a folder repairs all of it."""
    weights = OTHER / "critic.safetensors"
    faults: list[tuple[Callable[[], object], Callable[[], object]]] = [
        (lambda: cut(SCORES / "score.json"), lambda: read_json(SCORES / "score.json")),
        (lambda: flip(OTHER_SCORES / "manifest.json"), lambda: read_manifest(OTHER_SCORES)),
        (lambda: (RUN / "journal.csv").write_text("a,b\n1,x\n"), lambda: read_csv(RUN / "journal.csv")),
        (lambda: cut(RUN / "critic.safetensors"), lambda: load_tensors(RUN / "critic.safetensors")),
        (lambda: cut(RUN / "generator.safetensors"), lambda: header(RUN / "generator.safetensors")),
        (lambda: cut(RUN / "samples/000000006.png"), lambda: read_image(RUN / "samples/000000006.png")),
        (
            lambda: weights.write_bytes(weights.read_bytes().replace(b'width\\":4', b'width\\":5')),
            lambda: load_export(weights),
        ),
        (lambda: [path.unlink() for path in OTHER.glob("samples/*")], lambda: load_run(TOP, *BEDROOMS[:2], 0)),
        (lambda: edit_json(SHARDS / "index.json", lambda index: index.update(count=1)), lambda: Shards(SHARDS)),
        (lambda: cut(next(SHARDS.parent.glob("validation/*.tar"))), lambda: Shards(SHARDS.parent / "validation")),
        (
            lambda: flip(Path("data/raw/rendered_bedrooms/bedroom_val_lmdb.zip")),
            lambda: check_inputs(unit_of(config.load(), "cpu", "shard", "rendered_bedrooms")),
        ),
        (lambda: (TOP / "report/stray.txt").write_text("of a user"), lambda: main(["verify"])),
    ]
    told_of = []
    for damage, probe in faults:
        damage()
        assert commands(said := workspace.said(probe)), said
        told_of.append((said, probe))
    executed = 0
    for said, probe in told_of:
        assert any(tellers(said, REPAIR)), said
        if not workspace.said(probe):
            continue  # an earlier cure was of the same folder
        for command in commands(said):
            if command.startswith(REPAIR.removesuffix("{}")):
                workspace.run(command)
                executed += 1
        assert not any(command.startswith(REPAIR.removesuffix("{}")) for command in commands(workspace.said(probe)))
    assert executed >= 6 and workspace.outputs() == workspace.good
    assert "up to date" in workspace.clone.run("dvc status").stdout


def test_what_is_told_to_be_reproduced_is_reproduced(workspace):
    """Every module that tells to run `dvc repro`, on the fault of which it tells it; one run of it mends them all."""
    clone, experiment = workspace.clone, config.load()
    clone.run("git add --all --force dvc.lock && git commit --quiet --message lock")
    raw = Path("data/raw")
    study, report = TOP / "studies/manifest.json", TOP / "report"
    faults: list[tuple[Callable[[], object], Callable[[], object]]] = [
        (study.unlink, lambda: read_manifest(study.parent)),
        (lambda: None, lambda: accept.run(experiment, ["studies"])),
        (lambda: change_manifest(report, {"parameters": {}}), lambda: accept.run(experiment, ["report"])),
        (
            (raw / "rendered_objects/cifar-10-binary.tar.gz").unlink,
            lambda: Cifar10().classes(raw / "rendered_objects"),
        ),
        (
            (raw / "rendered_bedrooms/bedroom_val_lmdb.zip").unlink,
            lambda: list(LsunBedroom().samples(raw / "rendered_bedrooms", "validation")),
        ),
        (
            Path("data/extractor/weights.pth").unlink,
            lambda: identity_of(experiment.evaluation, Path("data/extractor")),
        ),
        ((RUN / "generator.safetensors").unlink, lambda: header(RUN / "generator.safetensors")),
        ((RUN / "critic.safetensors").unlink, lambda: load_tensors(RUN / "critic.safetensors")),
        (lambda: (RUN / "divergence.json").write_text("{}"), lambda: load_run(TOP, *OBJECTS[:2], 0)),
        (
            lambda: edit_json(SCORES / "score.json", lambda value: value.pop("protocol")),
            lambda: published_scores.take(experiment),
        ),
        (
            lambda: [(folder / "manifest.json").unlink() for folder in (SCORES, OTHER_SCORES)],
            lambda: publish.run(experiment),
        ),
        (lambda: RUNS.write_text(RUNS.read_text() + "#\n"), lambda: check_runs(experiment)),
        (lambda: None, lambda: main(["status"])),
        (lambda: None, lambda: main(["verify"])),
        (lambda: None, lambda: main(["verify", "--published"])),
    ]
    told_of = []
    for damage, probe in faults:
        damage()
        said = workspace.said(probe)
        assert "dvc repro" in commands(said), said
        told_of.append((said, probe))
    assert set().union(*(tellers(said, "dvc repro") for said, _ in told_of)) >= CURES["dvc repro"]
    workspace.run("dvc repro")
    for said, probe in told_of:
        assert "dvc repro" not in commands(workspace.said(probe)), said
    assert workspace.outputs() == workspace.good


def test_what_else_is_told_to_be_run(workspace):
    clone, experiment = workspace.clone, config.load()
    scores, journal = published_scores.FILE, RUN / "journal.csv"
    clone.run("git add --all --force dvc.lock && git commit --quiet --message lock")
    auto = experiment.model_copy(update={"compute": experiment.compute.model_copy(update={"device": "auto"})})
    weights = journal.read_bytes()
    faults: list[tuple[Callable[[], object], Callable[[], object], str]] = [
        (PLAN.unlink, lambda: device_of(auto), "python -m ganflow plan"),
        (scores.unlink, published_scores.table, "ganflow schema --scores"),
        (lambda: None, lambda: main(["status"]), "python -m ganflow verify"),
    ]
    for damage, probe, expected in faults:
        damage()
        said = workspace.said(probe)
        assert expected in commands(said) and tellers(said, expected) == CURES[expected], said
        workspace.run(expected)
        if damage.__name__ == "unlink":
            assert not workspace.said(probe)

    journal.write_bytes(weights + b"\n")
    said = workspace.said(lambda: main(["verify", "--published", "--brief"]))
    [command] = [command for command in commands(said) if "--rerun" in command]
    workspace.capfd.readouterr()
    assert main(shlex.split(command)[3:]) == 1
    assert "differs: journal.csv" in workspace.capfd.readouterr().out


def test_a_database_of_a_newer_mlflow_is_moved_away_as_told(tmp_path, monkeypatch, environment):
    monkeypatch.chdir(tmp_path)
    here = Clone(tmp_path, environment | {"PYTHONPATH": str(REPOSITORY / "src")})
    program = "from ganflow.reporting.tracking_store import TrackingStore\nwith TrackingStore().client() as client:\n"
    program += "    client.search_experiments()"

    def opened() -> str:
        """What is told when a process opens the database; empty if it does."""
        done = here.run(f"{sys.executable} -c '{program}'", check=False)
        return done.stderr.splitlines()[-1] if done.returncode else ""

    assert not opened()
    with closing(sqlite3.connect("mlflow.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
        database.commit()
    said = opened()
    [command] = commands(said)
    assert tellers(said, "mv {} {}.newer") == CURES["mv {} {}.newer"]
    here.run(command)
    assert not opened() and Path("mlflow.db.newer").stat().st_size


def test_another_disk_is_used_as_told(clone, tmp_path):
    """`data` as a link to it is refused before anything is fetched; a cache there, which `data` links to, is not."""
    disk, data = tmp_path / "disk", clone.folder / "data"
    disk.mkdir()
    data.symlink_to(disk)
    refused = clone.run("dvc repro shard@rendered_objects", check=False)
    assert refused.returncode and not list(disk.iterdir())
    data.unlink()
    told_of = commands(refused.stdout + refused.stderr)
    assert told_of == ["dvc cache dir FOLDER", "dvc config cache.type symlink"]
    for command in told_of:
        clone.run(command.replace("FOLDER", str(disk)))
    clone.run("dvc repro shard@rendered_objects")
    shards = list(data.glob("shards/rendered_objects/train/*.tar"))
    assert shards and all(path.resolve().is_relative_to(disk) for path in shards)
    clone.run("python -m ganflow extractor && python -m ganflow extract rendered_objects")
