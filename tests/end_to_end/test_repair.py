"""verify --repair: whatever is damaged in the workspace, the cache or a remote, the good comes back and stays."""

import hashlib
import random
import re
import shutil
from pathlib import Path

import pytest
from damage import cut, dvc_object, flip, md5_of
from repository import Clone

from ganflow.stages.cli import main

pytestmark = pytest.mark.slow
RUN = Path("results/tiny/runs/rendered_objects/wgan_gp/0")
WEIGHTS, JOURNAL, MANIFEST = RUN / "generator.safetensors", RUN / "journal.csv", RUN / "manifest.json"
SCORES = Path("results/tiny/scores/rendered_objects/wgan_gp/0")
CACHE = Path(".dvc/cache")


class Workspace:
    """A clone as the current folder, all of it good; `repair` is what it says after a damage."""

    def __init__(self, clone: Clone, capfd):
        self.clone, self.capfd = clone, capfd
        self.good = self.outputs()
        clone.run("dvc status --quiet")  # DVC remembers sizes, dates and inodes, by which it knows files again

    def outputs(self) -> dict[Path, bytes]:
        return {
            path: path.read_bytes() for top in ("data", "results") for path in Path(top).rglob("*") if path.is_file()
        }

    def object(self, path: Path, top: Path = CACHE) -> Path:
        """Where a file of the good workspace is kept."""
        return dvc_object(top, hashlib.md5(self.good[path]).hexdigest())

    def directory(self, folder: Path, top: Path = CACHE) -> Path:
        return dvc_object(top, self.clone.digests()[folder.as_posix()])

    def repair(self, *names: object, code: int = 0) -> str:
        self.capfd.readouterr()
        assert main(["verify", "--repair", *map(str, names)]) == code
        return self.capfd.readouterr().out

    def check(self) -> None:
        """All outputs are the good ones, DVC's cache has them all, and DVC has nothing to do."""
        assert self.outputs() == self.good
        assert all(
            md5_of(self.object(path)) == self.object(path).parent.name + self.object(path).name for path in self.good
        )
        assert "up to date" in self.clone.run("dvc status").stdout


@pytest.fixture
def workspace(reproduced, monkeypatch, capfd):
    clone = reproduced("clone")
    monkeypatch.chdir(clone.folder)
    return Workspace(clone, capfd)


def test_what_has_one_sound_copy_is_put_right_without_computing(workspace):
    """In the workspace or the cache; the other copy flipped with its date kept, cut or deleted."""
    unlike = {content: path for path, content in sorted(workspace.good.items()) if content}  # one object each
    others = [path for path in unlike.values() if path not in (WEIGHTS, MANIFEST) and SCORES not in path.parents]
    random.Random(0).shuffle(others)
    tried = [WEIGHTS, MANIFEST, *others]
    assert len(tried) >= 50
    faults = [flip, cut, Path.unlink]
    for number, path in enumerate(tried):
        faults[number % 3](path if number % 2 else workspace.object(path))
    flip(workspace.directory(SCORES))
    (SCORES / "score.json").unlink()
    workspace.directory(Path("results/tiny/studies")).unlink()
    (RUN / "notes.txt").write_text("of a user")
    said = workspace.repair()
    assert "made again" not in said and said.endswith("all equal\n"), said
    assert f"{workspace.directory(SCORES)}: is not what its name says: dropped" in said
    assert re.search(rf"{MANIFEST}: altered \(md5 \w{{32}}\): restored from the cache", said)
    assert f"{RUN}/notes.txt: not one of its files: moved to build/strays/{RUN}/notes.txt" in said
    assert (Path("build/strays") / RUN / "notes.txt").read_text() == "of a user"
    workspace.check()
    assert len(workspace.repair().splitlines()) == 1


def test_what_nobody_has_is_made_again_and_what_depends_on_it_is_not(workspace):
    for path in (WEIGHTS, Path("data/reference/rendered_objects/checks.json")):
        flip(path)
        flip(workspace.object(path))
    shutil.rmtree("results/tiny/report")
    said = workspace.repair()
    assert f"{WEIGHTS}: altered" in said and "neither the cache nor a remote has a sound copy" in said
    assert said.count(": made again\n") == 2 and said.count("equal to what dvc.lock recorded") == 2
    assert said.endswith("all equal\n")
    workspace.check()
    assert not Path("build/repair", RUN).exists()


def test_a_folder_of_which_list_and_manifest_are_lost_is_made_again(workspace):
    flip(workspace.directory(RUN))
    flip(MANIFEST)
    said = workspace.repair(JOURNAL)
    assert f"{RUN}: neither the cache nor a remote has a sound copy of its list of files" in said
    assert "equal to what dvc.lock recorded" in said
    workspace.check()


def test_a_remote_is_read_before_it_is_believed(workspace, tmp_path):
    """Of three remotes one is down, one has a corrupt object; then the corrupt one alone is left, and is mended."""
    clone, bad, sound = workspace.clone, tmp_path / "bad", tmp_path / "sound"
    clone.run(f"dvc remote add --quiet --default bad {bad} && dvc push --quiet")
    clone.run(f"dvc remote add --quiet sound {sound} && dvc push --quiet --remote sound")
    clone.run("dvc remote add --quiet down ssh://nobody@127.0.0.1:9/nowhere")
    for path in (WEIGHTS, workspace.object(WEIGHTS), workspace.object(WEIGHTS, bad)):
        flip(path)
    flip(workspace.directory(RUN))
    said = workspace.repair(RUN)
    assert f"remote 'bad': {workspace.object(WEIGHTS, bad)}: is not what its name says: not used" in said
    assert f"{WEIGHTS}: altered" in said and "restored from the remote 'sound'" in said and "made again" not in said
    workspace.check()
    for command in (part for part in said.split("`")[1::2]):  # the cure of the remote, as it is told
        line = next(line for line in said.splitlines() if command in line)
        for told in line.partition("; delete it and ")[2].partition(" and run")[0].split():
            Path(told).unlink()
        workspace.object(WEIGHTS, bad).unlink()
        clone.run(command)
    assert md5_of(workspace.object(WEIGHTS, bad)) == md5_of(WEIGHTS)

    clone.run("dvc remote remove bad && dvc remote remove sound")
    flip(WEIGHTS)
    workspace.object(WEIGHTS).unlink()
    said = workspace.repair(RUN)
    assert "remote 'down': can't be read" in said and "passed over" in said
    assert "made again" in said and said.endswith("all equal\n")


def test_a_result_newer_than_dvc_lock_is_left(workspace):
    """A stage run by hand after params.yaml changed: the older result of the cache is not put in its place."""
    workspace.clone.edit("params.yaml", "critic_steps: 2", "critic_steps: 1")
    assert main(["train", "rendered_objects", "wgan_gp", "0"]) == 0
    newer = workspace.outputs()
    said = workspace.repair(RUN, code=1)
    assert workspace.outputs() == newer
    line = next(line for line in said.splitlines() if "newer than dvc.lock, left as it is; run `" in line)
    workspace.clone.run(line.split("`")[1])
    assert workspace.repair(RUN).endswith("all equal\n")
    assert (RUN / "generator.safetensors").read_bytes() == newer[WEIGHTS]


def test_a_damaged_plan_is_made_again(workspace):
    plan = Path("build/plan.json")
    good = plan.read_bytes()
    flip(plan)
    flip(dvc_object(CACHE, workspace.clone.digests()["build/plan.json"]))
    assert "build/plan.json: is not the plan of today's" in workspace.repair("studies")
    assert plan.read_bytes() == good and "up to date" in workspace.clone.run("dvc status").stdout


def test_a_file_of_the_user_that_nobody_has_a_copy_of_is_told_by_its_own_path(workspace, tmp_path):
    clone, own = workspace.clone, tmp_path / "my archives" / "cifar.tar.gz"
    own.parent.mkdir()
    shutil.copy("data/raw/rendered_objects/cifar-10-binary.tar.gz", own)
    params = Path("params.yaml").read_text().replace("rendered_objects", "cifar10")
    digest = hashlib.sha256(own.read_bytes()).hexdigest()
    files = f"source: {{files: {{archives: {{cifar-10-binary.tar.gz: {{location: '{own}', sha256: {digest}}}}}}}}}"
    Path("params.yaml").write_text(
        re.sub(r"(?m)(^  cifar10: .*)source: \{rendered: \{[^}]*\}\}", rf"\1{files}", params)
    )
    clone.run("python -m ganflow runs && dvc repro --quiet download@cifar10")
    fetched = Path("data/raw/cifar10/cifar-10-binary.tar.gz")
    good = fetched.read_bytes()
    flip(fetched)
    damaged = fetched.read_bytes()
    flip(dvc_object(CACHE, hashlib.md5(good).hexdigest()))
    own.rename(own.with_suffix(".away"))
    said = workspace.repair("data/raw/cifar10", code=1)
    assert re.search(rf"can't be made again, so it is left as it was: .*{own}: No such file", said), said
    assert fetched.read_bytes() == damaged and (fetched.parent / "manifest.json").exists()
    own.with_suffix(".away").rename(own)
    assert "equal to what dvc.lock recorded" in workspace.repair("download cifar10") and fetched.read_bytes() == good
