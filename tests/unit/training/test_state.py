"""Checkpoints: damage to one, or to a file that it lists, falls back to the one before; nothing is pickled."""

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from damage import DAMAGE, flipped
from safetensors.torch import load_file
from torch import nn, optim
from trainings import VARIANTS, Splits, kill_after, plain, result, settings, trainer, write_splits
from trainings import few_statistics as few_statistics  # a fixture that every test here uses

from ganflow import artifacts
from ganflow.artifacts import CHECKPOINTS, digest_bytes
from ganflow.errors import UserError
from ganflow.tensor_files import metadata, packed
from ganflow.training.loop import Trainer
from ganflow.training.state import Checkpoints, State
from ganflow.training.written_files import copy, described

POINTS = plain(network={"toy_mlp": {"width": 8}})


@pytest.fixture(scope="module")
def splits(tmp_path_factory) -> dict[int, Splits]:
    return write_splits(tmp_path_factory.mktemp("shards"))


def test_a_damaged_checkpoint_falls_back_to_the_one_before(splits, tmp_path, capsys):
    work = trainer(splits[16], VARIANTS["wgan_gp"])
    expected = result(work, tmp_path, work.run(tmp_path))
    kept = sorted(tmp_path.glob("*.safetensors"))
    assert [int(file.name.split("-")[0]) for file in kept] == [6, 8]
    newest = bytearray(kept[-1].read_bytes())
    newest[len(newest) // 2] ^= 1
    kept[-1].write_bytes(newest)
    again = trainer(splits[16], VARIANTS["wgan_gp"])
    assert result(again, tmp_path, again.run(tmp_path)) == expected
    assert f"{kept[-1]} is damaged; the training goes on from iteration 6\n" in capsys.readouterr().err
    assert again.images_used == (2 + 2) * 6  # iterations 6 and 7, two critic steps each


def test_a_checkpoint_cut_short_or_a_partial_one_is_passed_over(splits, tmp_path):
    work = trainer(splits[16], VARIANTS["dcgan"])
    work.run(tmp_path)
    for file in tmp_path.glob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:50])
    (tmp_path / ".000000009-ab.safetensors.partial").write_bytes(b"half")
    fresh = Checkpoints(tmp_path, work.model.modules, work.optimizers, work.model.state, {}).load()
    assert fresh.iteration == 0 and fresh.journal == [] and fresh.positions == {} and fresh.files == {}


def test_checkpoints_hold_no_pickle(splits, tmp_path):
    trainer(splits[16], VARIANTS["dcgan"]).run(tmp_path)
    for file in tmp_path.glob("*.safetensors"):
        load_file(file)


def test_the_state_of_a_model_is_restored_in_place(splits, tmp_path):
    work = trainer(splits[16], VARIANTS["began"], settings(iterations=2))
    work.run(tmp_path)
    [file] = tmp_path.glob("*.safetensors")
    assert load_file(file)["state/k"] == work.model.state["k"] > 0
    again = trainer(splits[16], VARIANTS["began"], settings(iterations=2))
    held = again.model.state["k"]
    again.run(tmp_path)
    assert again.model.state["k"] is held and torch.equal(held, work.model.state["k"])


# ---- what lies beside a checkpoint


def on_points(splits: dict[int, Splits]) -> Trainer:
    return trainer(splits[0], POINTS, settings(snapshot_every=3))


@pytest.fixture(scope="module")
def killed(splits, tmp_path_factory) -> tuple[dict, Path]:
    """What an undisturbed training leaves, and the scratch folder of one that was killed in its last iteration."""
    folder = tmp_path_factory.mktemp("scratch")
    work = on_points(splits)
    expected = result(work, folder / "whole", work.run(folder / "whole"))
    kill_after(lambda: on_points(splits), folder / "killed", 28)
    return expected, folder / "killed"


@pytest.fixture
def unsynced(monkeypatch):
    """Without the waits for the disk: nothing here loses its power."""
    monkeypatch.setattr(artifacts, "_sync", lambda path: None)


def all_of(work: Trainer, folder: Path, state: State) -> str:
    """The name, with its digest, of the checkpoint of all that a resumed training goes on from; the files beside it are
    as the state says."""
    assert described(folder, folder.glob("s*/*")) == state.files
    work._checkpoints(folder / "saved again").save(state)
    [file] = (folder / "saved again").iterdir()
    return file.name


@pytest.mark.slow
def test_every_damaged_file_of_a_killed_training_is_noticed_and_the_outputs_are_equal(
    splits, killed, tmp_path, capsys, unsynced
):
    """Nine kinds of damage to each of twelve files, 108 corruptions, end in as many different states as there are whole
    ones, three, and each of these in the outputs of an undisturbed run."""
    expected, scratch = killed
    names = sorted(path.relative_to(scratch) for path in scratch.rglob("*") if path.is_file())
    assert {(path.parent.name, path.suffix) for path in names} == {
        ("", ".safetensors"),
        ("samples", ".png"),
        ("samples", ".safetensors"),
        ("snapshots", ".safetensors"),
    }
    before, newest = sorted(path.relative_to(scratch) for path in scratch.glob(CHECKPOINTS))
    seen: dict[str, int] = {}
    tried = 0
    for kind, name in itertools.product(DAMAGE, names):
        work = tmp_path / "work"
        shutil.copytree(scratch, work)
        DAMAGE[kind](work / name)
        capsys.readouterr()
        resumed = on_points(splits)
        state = resumed._checkpoints(work).load()
        said = capsys.readouterr().err
        noticed = [line for line in said.splitlines() if str(work / name) in line and "; the training " in line]
        harmless = name == before or (kind, name) == ("delete", newest)  # not read; as if killed before it was written
        assert len(noticed) == (not harmless), (kind, name, said)
        if (whole := all_of(resumed, work, state)) not in seen:
            seen[whole] = state.iteration
            resumed = on_points(splits)
            state = resumed.run(work)
            copy(work, state.files, tmp_path / "copied")
            assert result(resumed, tmp_path / "copied", state) == expected, (kind, name)
            shutil.rmtree(tmp_path / "copied")
        shutil.rmtree(work)
        tried += 1
    assert tried >= 100 and sorted(seen.values()) == [0, 4, 6]


def test_what_no_checkpoint_lists_is_said_and_deleted_and_links_are_not_followed(
    splits, killed, tmp_path, capsys, unsynced
):
    expected, scratch = killed
    work = tmp_path / "work"
    shutil.copytree(scratch, work)
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("the user's")
    (work / "samples/stray.png").write_bytes(b"not ours")
    (work / "samples/linked").symlink_to(kept)
    (work / "snapshots/deep").mkdir()
    (work / "grids").symlink_to(kept)
    resumed = on_points(splits)
    state = resumed.run(work)
    said = capsys.readouterr().err
    assert f"{work}: grids, " in said and "not of the state at iteration 6, so deleted" in said
    assert "the training" not in said and (kept / "file").read_text() == "the user's"
    assert result(resumed, work, state) == expected
    assert {path.relative_to(work).as_posix() for path in work.glob("*/*")} == set(state.files)


def test_damage_while_a_training_runs_is_said_at_its_end_and_the_cure_works(splits, killed, tmp_path, unsynced):
    expected, scratch = killed
    work = tmp_path / "work"
    shutil.copytree(scratch, work)
    state = on_points(splits).run(work)
    flipped(0.5)(work / "samples/000000003.png")
    with pytest.raises(UserError, match="samples/000000003.png: is not what the training wrote; run it again: it goes"):
        copy(work, state.files, tmp_path / "target")
    again = on_points(splits)
    state = again.run(work)
    copy(work, state.files, tmp_path / "copied")
    assert result(again, tmp_path / "copied", state) == expected


def forged(file: Path, change: Callable[[dict, dict], tuple[dict, object]]) -> None:
    """Puts another content in the place of a checkpoint, under a name with its digest."""
    content = file.read_bytes()
    tensors, about = change(load_file(file), metadata(content))
    made = packed(tensors, about) if isinstance(about, dict) else about
    file.unlink()
    file.with_name(f"{file.name[:9]}-{digest_bytes(made)}.safetensors").write_bytes(made)


def with_header(text: str) -> bytes:
    header = json.dumps({"__metadata__": {"ganflow": text}}).encode()
    return len(header).to_bytes(8, "little") + header


def set_to(**entries) -> Callable:
    return lambda tensors, about: (tensors, about | entries)


def changed_tensors(change: Callable[[dict], dict]) -> Callable:
    return lambda tensors, about: (change(tensors), about)


FORGERIES = {
    "another shape": changed_tensors(lambda t: {k: torch.cat([v, v]) if v.dim() else v for k, v in t.items()}),
    "another type": changed_tensors(lambda t: {k: v.double() if "module" in k else v for k, v in t.items()}),
    "a weight less": changed_tensors(lambda t: dict(list(t.items())[:-1])),
    "a player more": changed_tensors(lambda t: t | {"optimizer/nobody/0/step": torch.zeros(())}),
    "a moment of another shape": changed_tensors(lambda t: t | {"optimizer/critic/0/exp_avg": torch.zeros(7)}),
    "no files": lambda t, a: (t, {key: value for key, value in a.items() if key != "files"} | {"file": {}}),
    "files outside": set_to(files={"../../../outside": {"bytes": 4, "sha256": digest_bytes(b"text")}}),
    "files without digests": set_to(files={"samples/000000000.png": None}),
    "another iteration": set_to(iteration=4),
    "an iteration of text": set_to(iteration="6"),
    "negative positions": set_to(positions={"samples": -1}),
    "huge positions": set_to(positions={"samples": 10**400}),
    "a journal of another shape": set_to(journal=[{"iteration": 2, "a": 1.0}, {"iteration": 4}]),
    "a journal of text": set_to(journal="rows"),
    "a list": lambda t, a: (t, with_header("[]")),
    "null": lambda t, a: (t, with_header("null")),
    "NaN": lambda t, a: (t, with_header('{"iteration": NaN}')),
    "deep nesting": lambda t, a: (t, with_header("[" * 100_000)),
    "a pickle": lambda t, a: (t, b"\x80\x04cos\nsystem\n(S'touch pwned'\ntR."),
    "a header longer than the file": lambda t, a: (t, (1 << 40).to_bytes(8, "little") + b"{}"),
    "nothing": lambda t, a: (t, b""),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_checkpoint_is_refused_before_anything_is_restored(splits, killed, tmp_path, capsys, forgery):
    _, scratch = killed
    work, built = tmp_path / "work", on_points(splits)
    shutil.copytree(scratch, work)
    (tmp_path / "outside").write_text("text")
    [*_, newest] = sorted(work.glob(CHECKPOINTS))
    forged(newest, FORGERIES[forgery])
    state = built._checkpoints(work).load()
    assert state.iteration == 4 and "; the training goes on from iteration 4" in capsys.readouterr().err
    assert (tmp_path / "outside").read_text() == "text"


def test_no_more_is_read_than_a_checkpoint_can_hold(splits, killed, tmp_path, capsys, monkeypatch):
    _, scratch = killed
    work = tmp_path / "work"
    shutil.copytree(scratch, work)
    [*_, newest] = sorted(work.glob(CHECKPOINTS))
    with newest.open("r+b") as file:
        file.truncate(1 << 40)  # sparse
    state = on_points(splits)._checkpoints(work).load()
    assert state.iteration == 4 and f"has {1 << 40} bytes" in capsys.readouterr().err


def test_a_training_that_begins_again_keeps_its_new_checkpoints(splits, killed, tmp_path, capsys):
    """Damage to the oldest file makes all checkpoints unusable: none of them stands in the way of the new ones."""
    _, scratch = killed
    work = tmp_path / "work"
    shutil.copytree(scratch, work)
    (work / "samples/000000000.png").unlink()
    kill_after(lambda: on_points(splits), work, 12)
    assert [int(file.name[:9]) for file in sorted(work.glob(CHECKPOINTS))] == [2]
    assert "000000000.png is missing; the training begins again" in capsys.readouterr().err


# ---- checkpoints of a small network, without a training


class Small:
    """A network of one layer with its optimiser and a state, after a number of steps."""

    def __init__(self, folder: Path, steps: int = 0, seed: int = 0):
        torch.manual_seed(seed)
        self.net, self.k = nn.Conv2d(3, 4, 2).to(memory_format=torch.channels_last), torch.zeros(2)
        self.optimizer = optim.Adam(self.net.parameters())
        self.checkpoints = Checkpoints(folder, {"net": self.net}, {"net": self.optimizer}, {"k": self.k}, {"seed": 0})
        for step in range(1, steps + 1):
            self.net(torch.randn(1, 3, 4, 4)).square().sum().backward()
            self.optimizer.step()
            self.k += 1
            (folder / "samples").mkdir(parents=True, exist_ok=True)
            (folder / f"samples/{step}").write_text(str(step))
            files = described(folder, sorted(folder.glob("samples/*")))
            journal = [{"iteration": row, "loss": 0.5} for row in range(1, step + 1)]
            self.checkpoints.save(State(iteration=step, positions={"train": 8 * step}, journal=journal, files=files))

    def everything(self) -> dict[str, torch.Tensor]:
        moments = self.optimizer.state_dict()["state"]
        found = {f"{index}/{name}": value for index, values in moments.items() for name, value in values.items()}
        return {key: value.clone() for key, value in (self.net.state_dict() | found | {"k": self.k}).items()}


@pytest.fixture
def folder(tmp_path, unsynced) -> Path:
    return tmp_path / "scratch"


def numbers(folder: Path) -> list[int]:
    return [int(path.name[:9]) for path in sorted(folder.glob(CHECKPOINTS))]


def test_the_last_two_checkpoints_are_kept_and_the_newest_restores_everything(folder, capsys):
    one = Small(folder, steps=4)
    assert numbers(folder) == [3, 4]
    other = Small(folder, seed=1)
    held = other.k
    state = other.checkpoints.load()
    assert (state.iteration, state.positions, len(state.journal), len(state.files)) == (4, {"train": 32}, 4, 4)
    ours, theirs = one.everything(), other.everything()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert other.k is held and not capsys.readouterr().err
    for parameter, values in other.optimizer.state.items():
        assert values["exp_avg"].stride() == parameter.stride() and values["step"].shape == ()


def test_without_a_checkpoint_a_training_begins_and_nothing_is_said(folder, capsys):
    assert Small(folder).checkpoints.load() == State() and not capsys.readouterr().err


def as_link(newest: Path) -> None:
    newest.rename(newest.with_name("elsewhere"))
    newest.symlink_to("elsewhere")


def as_folder(newest: Path) -> None:
    newest.unlink()
    newest.mkdir()


def renumbered(newest: Path) -> None:
    newest.rename(newest.with_name(f"{9:09d}{newest.name[9:]}"))


def grown(newest: Path) -> None:
    with newest.open("r+b") as file:
        file.truncate((100 << 20) + 8 * 10_000)


def without(*names: str) -> Callable:
    return changed_tensors(lambda tensors: {key: value for key, value in tensors.items() if key not in names})


def with_tensor(name: str, value: torch.Tensor) -> Callable:
    return changed_tensors(lambda tensors: tensors | {name: value})


ADAM, WEIGHT = "optimizer/net/0", (4, 3, 2, 2)
REFUSED = {
    "a link": (as_link, "is not a file"),
    "a folder": (as_folder, "is not a file"),
    "another number": (renumbered, "is of another training"),
    "too large": (grown, "which no checkpoint of this training has"),
    "one bit": (flipped(0.9), "is damaged"),
    "one bit of its beginning": (flipped(0.0), "is damaged"),
    "no weight": (without("module/net/weight"), "is of another training"),
    "no state": (without("state/k"), "is of another training"),
    "another weight": (with_tensor("module/net/weight", torch.zeros(1, *WEIGHT[1:])), "is of another training"),
    "another type": (with_tensor("module/net/weight", torch.zeros(WEIGHT).half()), "is of another training"),
    "another module": (with_tensor("module/other/weight", torch.zeros(1)), "is of another training"),
    "a third parameter": (with_tensor("optimizer/net/2/exp_avg", torch.zeros(4)), "is of another training"),
    "another moment": (with_tensor(f"{ADAM}/exp_avg", torch.zeros(4)), "is of another training"),
    "a moment too few": (without(f"{ADAM}/exp_avg"), "is of another training"),
    "no text": (lambda t, a: (t, b"nothing"), "holds no checkpoint"),
    "a journal of two kinds": (set_to(journal=[{"iteration": 1}, {"iteration": 2, "a": 1}]), "holds no checkpoint"),
    "a journal without iterations": (set_to(journal=[{"loss": 1}, {"loss": 2}]), "holds no checkpoint"),
    "a file without a size": (set_to(files={"samples/1": {"sha256": "0" * 64}}), "holds no checkpoint"),
    "a count below zero": (set_to(positions={"train": -1}), "holds no checkpoint"),
    "a count beyond floats": (set_to(positions={"train": 2**53 + 1}), "holds no checkpoint"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_checkpoint_that_is_not_this_trainings_is_deleted_with_a_sentence_and_the_one_before_taken(
    folder, capsys, what
):
    Small(folder, steps=2)
    before = Small(folder)
    newest = sorted(folder.glob(CHECKPOINTS))[-1]
    change, fault = REFUSED[what]
    change(newest) if change in (as_link, as_folder, renumbered, grown) or "bit" in what else forged(newest, change)
    refused = sorted(folder.glob(CHECKPOINTS))[-1]
    state = before.checkpoints.load()
    said = capsys.readouterr().err
    assert state.iteration == 1 and f"{refused}" in said and f"{fault}; the training goes on from iteration 1" in said
    assert numbers(folder) == [1] and not refused.is_symlink()
    assert f"{folder}: samples/2: not of the state at iteration 1, so deleted" in said


def test_a_checkpoint_before_the_first_step_is_one(folder):
    Small(folder).checkpoints.save(State(iteration=1))
    assert Small(folder).checkpoints.load() == State(iteration=1)


def test_a_moment_of_one_number_fits_any_parameter(folder):
    Small(folder, steps=1)
    [newest] = folder.glob(CHECKPOINTS)
    forged(newest, changed_tensors(lambda t: t | {f"optimizer/net/{n}/exp_avg": torch.ones(()) for n in (0, 1)}))
    restored = Small(folder)
    assert restored.checkpoints.load().iteration == 1
    assert [values["exp_avg"].item() for values in restored.optimizer.state.values()] == [1, 1]


def test_no_tensor_is_changed_by_a_checkpoint_whose_files_are_damaged(folder, capsys):
    Small(folder, steps=1)
    (folder / "samples/1").write_text("2")
    fresh = Small(folder, seed=1)
    before = fresh.everything()
    assert fresh.checkpoints.load() == State()
    assert all(torch.equal(value, before[key]) for key, value in fresh.everything().items())
    assert "samples/1 has the sha256" in (said := capsys.readouterr().err) and "; the training begins again" in said
    assert not numbers(folder) and not list(folder.glob("samples/*"))
