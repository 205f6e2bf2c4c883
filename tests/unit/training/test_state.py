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
from trainings import VARIANTS, Splits, kill_after, plain, result, settings, trainer, write_splits

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
