"""The sample that `accept` compares, as the recomputing process leaves it when there is enough; the command itself:
tests/end_to_end/test_accept.py."""

from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace

import pytest

from ganflow.artifacts import SCRATCH, write_manifest
from ganflow.stages import accept

AGAIN = Path("again")
KEPT = AGAIN / SCRATCH / "shard/fingerprint"


@pytest.fixture
def difference(tmp_path, monkeypatch):
    """What is said of the shards under KEPT, beside finished ones that hold `right`."""
    monkeypatch.chdir(tmp_path)
    output = Path("data/shards/digits")
    for split in ("train", "validation"):
        (output / split).mkdir(parents=True)
        (output / split / f"digits-{split}-000000.tar").write_bytes(b"right")
    write_manifest(output, {})

    def said() -> str | None:
        monkeypatch.setattr(accept, "recomputed", lambda unit, enough: AGAIN)
        return accept._difference(SimpleNamespace(stage="shard", output=output))

    return said


def leave(split: str, content: bytes, finished: bool = True) -> None:
    folder = KEPT / split
    folder.mkdir(parents=True)
    (folder / f"digits-{split}-000000.tar").write_bytes(content)
    if finished:
        (folder / "000000.json").touch()


def test_a_shard_that_was_cut_off_is_not_compared(difference):
    leave("validation", b"right")
    leave("train", b"ri", finished=False)
    assert difference() is None


@pytest.mark.parametrize("split", ["train", "validation"])
def test_another_first_shard_of_either_split_is_named(difference, split):
    leave(split, b"wrong")
    said = f"{split}/digits-{split}-000000.tar: differs when recomputed, so the change has an effect"
    assert difference() == said


def test_there_is_enough_with_the_first_shard_of_train():
    """It is written last."""
    enough = accept.SAMPLE_FILES["shard"]
    assert fnmatch(f"{SCRATCH}/shard/fingerprint/train/000000.json", enough)
    assert not fnmatch(f"{SCRATCH}/shard/fingerprint/validation/000000.json", enough)
