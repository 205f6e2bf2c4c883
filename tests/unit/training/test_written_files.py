"""The files beside checkpoints: what the training wrote is whole, copied and kept; all else is named or deleted."""

from pathlib import Path

import pytest
from damage import cut, flip, folder, link

from ganflow.artifacts import digest_bytes
from ganflow.errors import UserError
from ganflow.training import written_files
from ganflow.training.written_files import copy, described, faults, remove_others

NAMES = ("samples/1.png", "snapshots/1.safetensors")


@pytest.fixture
def scratch(tmp_path) -> Path:
    """A scratch folder with a file of each of two kinds and a checkpoint."""
    top = tmp_path / "scratch"
    for name in (*NAMES, "checkpoint"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name)
    return top


def entries(scratch: Path) -> dict:
    return described(scratch, [scratch / name for name in NAMES])


def test_a_file_is_described_by_its_size_and_digest(scratch):
    assert entries(scratch) == {name: {"bytes": len(name), "sha256": digest_bytes(name.encode())} for name in NAMES}


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (flip, "has the sha256"),
        (lambda path: cut(path, 1), "has 0 bytes"),
        (Path.unlink, "is missing"),
        (folder, "is missing"),
        (link, "is missing"),
    ],
)
def test_only_the_damaged_file_is_named_and_none_is_copied_in_its_place(scratch, tmp_path, damage, fault):
    files = entries(scratch)
    assert faults(scratch, files) == {}
    damage(scratch / NAMES[1])
    assert [(name, said.startswith(fault)) for name, said in faults(scratch, files).items()] == [(NAMES[1], True)]
    with pytest.raises(UserError, match=f"{scratch / NAMES[1]}: is not what the training wrote; run it again"):
        copy(scratch, files, tmp_path / "target")
    assert not (tmp_path / "target" / NAMES[1]).exists()


def test_a_file_that_is_listed_at_another_place_is_not_read(scratch):
    entry = {"bytes": 10, "sha256": digest_bytes(b"checkpoint")}
    for name in ("checkpoint", "samples/../checkpoint", "../scratch/checkpoint"):
        assert faults(scratch, {name: entry}) == {name: "is missing"}


def test_an_empty_file_that_is_gone_is_not_made_up(scratch, tmp_path):
    (scratch / NAMES[0]).write_bytes(b"")
    files = entries(scratch)
    (scratch / NAMES[0]).unlink()
    with pytest.raises(UserError, match="is not what the training wrote"):
        copy(scratch, files, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_what_was_written_is_copied(scratch, tmp_path):
    (scratch / "samples/2.png").write_text("another in the same folder")
    another = described(scratch, [scratch / "samples/2.png"])
    copy(scratch, entries(scratch) | another, tmp_path / "target")
    assert described(tmp_path / "target", [tmp_path / "target/samples/2.png"]) == another
    assert {name: (tmp_path / "target" / name).read_text() for name in NAMES} == {name: name for name in NAMES}
    assert not (tmp_path / "target/checkpoint").exists()


def test_a_file_that_changes_while_it_is_copied_is_not(scratch, tmp_path, monkeypatch):
    files = entries(scratch)
    monkeypatch.setattr(written_files, "faults", lambda *_: (scratch / NAMES[0]).write_text("other") and {})
    with pytest.raises(UserError, match="is not what the training wrote"):
        copy(scratch, files, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_all_that_is_not_listed_is_deleted_and_links_are_not_followed(scratch, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("the user's")
    files = entries(scratch)
    assert remove_others(scratch, files) == [] and faults(scratch, files) == {}
    (scratch / "samples/0.png").write_text("older")
    (scratch / "samples/deep").mkdir()
    (scratch / "samples/linked").symlink_to(outside)
    for there in (lambda: (scratch / "grids").symlink_to(outside), lambda: (scratch / "grids").write_text("a file")):
        there()
        assert "grids" in remove_others(scratch, files) and not (scratch / "grids").exists()
    (scratch / "grids").symlink_to(tmp_path / "nowhere")
    (scratch / "snapshots/2.safetensors").write_text("newer")
    assert remove_others(scratch, files) == ["grids", "snapshots/2.safetensors"]
    assert not (scratch / "grids").is_symlink() and (outside / "file").read_text() == "the user's"
    assert faults(scratch, files) == {} and (scratch / "checkpoint").exists()
    assert sorted(path.name for path in (scratch / "samples").iterdir()) == ["1.png"]
