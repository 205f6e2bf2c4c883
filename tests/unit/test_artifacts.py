"""Artifacts: a folder is replaced whole or not at all, and a manifest is what its own digest says."""

import shutil
from pathlib import Path

import pytest

from ganflow.artifacts import MANIFEST, atomic_directory, change_manifest, read_manifest, write_manifest
from ganflow.errors import UserError


class Killed(BaseException):
    """As a SIGKILL: nothing after it runs."""


def contents(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def replace_folder(path: Path, text: str) -> None:
    with atomic_directory(path) as partial:
        (partial / "inner").mkdir()
        for name in ("one", "inner/other"):
            (partial / name).write_text(text)


OLD, NEW = ({"one": text, "inner/other": text} for text in ("old", "new"))


@pytest.mark.parametrize("call", range(6))
@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_rename_or_removal_one_of_the_two_is_whole(tmp_path, monkeypatch, call, after):
    path, count = tmp_path / "output", iter(range(100))
    replace_folder(path, "old")

    def deadly(function):
        def wrapped(*arguments, **options):
            due = next(count) == call
            if due and not after:
                raise Killed
            result = function(*arguments, **options)
            if due:
                raise Killed
            return result

        return wrapped

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", deadly(Path.replace))
        patch.setattr(shutil, "rmtree", deadly(shutil.rmtree))
        try:
            replace_folder(path, "new")
        except Killed:
            whole = [contents(found) for found in (path, tmp_path / ".output.old") if found.exists()]
            assert OLD in whole or NEW in whole
            assert not path.exists() or contents(path) in (OLD, NEW)
    with pytest.raises(ZeroDivisionError), atomic_directory(path):
        assert contents(path) in (OLD, NEW)  # put back, and kept by a failure
        raise ZeroDivisionError
    replace_folder(path, "new")
    assert contents(path) == NEW and sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("key", ["stage", "charts", "outputs", "content"])
def test_a_changed_entry_of_a_manifest_is_seen_and_a_declared_one_is_not(tmp_path, key):
    (tmp_path / "file").write_text("text")
    write_manifest(tmp_path, {"charts": []}, origin={"stage": "train"})
    before = read_manifest(tmp_path)
    change_manifest(tmp_path, {"stage": "evaluate"})
    assert read_manifest(tmp_path) | {"stage": "train", "manifest": before["manifest"]} == before
    text = (tmp_path / MANIFEST).read_text()
    (tmp_path / MANIFEST).write_text(text.replace(f'"{key}"', f'"{key}s"'))
    with pytest.raises(UserError, match="altered: is not what its own digest says; delete .* and run `dvc repro`"):
        read_manifest(tmp_path)
