"""Artifacts: a folder is replaced whole or not at all, and a manifest is what its own digest says."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from ganflow.artifacts import (
    MANIFEST,
    atomic_directory,
    change_manifest,
    read_manifest,
    read_sealed,
    write_manifest,
    write_sealed,
)
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


CHANGES = ("replace", "rename", "unlink", "rmdir", "mkdir", "fsync", "open")  # of the file system, in `os`


def kill_at(call: int, after: bool, path: Path, monkeypatch) -> bool:
    """Replaces a folder, killed before or after a change of the file system; whether it was."""
    count, dead = iter(range(10_000)), []

    def deadly(function):
        def wrapped(*arguments, **options):
            if dead:
                raise Killed  # what a handler of the exception tries does not happen
            due = next(count) == call
            try:
                return None if due and not after else function(*arguments, **options)
            finally:
                if due:
                    dead.append(True)
                    raise Killed

        return wrapped

    with monkeypatch.context() as patch:
        for name in CHANGES:
            patch.setattr(os, name, deadly(getattr(os, name)))
        with suppress(Killed):
            replace_folder(path, "new")
    return bool(dead)


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("leftover", [False, True])
def test_killed_at_any_change_one_of_the_two_is_whole(tmp_path, monkeypatch, after, deleted, leftover):
    """Killed before or after each call that changes the file system, with and without what an earlier kill left; also
    where an engine has deleted the output before the next run."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # nothing here loses its power
    for call in range(1000):
        top = tmp_path / str(call)
        path, aside, partial = (top / name for name in ("output", ".output.old", ".output.partial"))
        top.mkdir()
        replace_folder(path, "old")
        if leftover:
            shutil.copytree(path, aside)
            shutil.copytree(path, partial)
        if not kill_at(call, after, path, monkeypatch):
            assert contents(path) == NEW and sorted(top.iterdir()) == [path]
            break
        assert any(found.exists() and contents(found) in (OLD, NEW) for found in (path, aside))
        assert all(contents(found) in (OLD, NEW) for found in (path, aside) if found.exists())
        if deleted:
            shutil.rmtree(path, ignore_errors=True)
        with pytest.raises(ZeroDivisionError), atomic_directory(path):
            assert contents(path) in (OLD, NEW) if path.exists() else deleted  # put back, and kept by a failure
            raise ZeroDivisionError
        replace_folder(path, "new")
        assert contents(path) == NEW and sorted(top.iterdir()) == [path]
    assert call >= 20


def test_whatever_stands_where_a_folder_is_filled_is_in_no_ones_way(tmp_path):
    path, partial, outside = tmp_path / "output", tmp_path / ".output.partial", tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("the user's")
    for there in (lambda: partial.write_text("a file"), lambda: partial.symlink_to(outside)):
        there()
        replace_folder(path, "new")
        assert contents(path) == NEW and (outside / "file").read_text() == "the user's"


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "null", "NaN", '{"value": 1}', '{"value": 1, "sha256": 1}', "[" * 100_000, "1" * 5000]
)
def test_what_was_not_sealed_is_not_read(tmp_path, content):
    path = tmp_path / "record"
    write_sealed(path, {"a": 1})
    assert read_sealed(path) == {"a": 1}
    path.write_text(content)
    with pytest.raises(ValueError):
        read_sealed(path)
    path.unlink()
    for there in (path.mkdir, path.rmdir, lambda: path.symlink_to(tmp_path)):
        there()
        with pytest.raises(ValueError, match="is not a file of this program"):
            read_sealed(path)


@pytest.mark.parametrize("key", ["stage", "charts", "outputs", "content"])
def test_a_changed_entry_of_a_manifest_is_seen_and_a_declared_one_is_not(tmp_path, key):
    (tmp_path / "file").write_text("text")
    write_manifest(tmp_path, {"charts": []}, origin={"stage": "train"})
    before = read_manifest(tmp_path)
    change_manifest(tmp_path, {"stage": "evaluate"})
    assert read_manifest(tmp_path) | {"stage": "train", "manifest": before["manifest"]} == before
    text = (tmp_path / MANIFEST).read_text()
    (tmp_path / MANIFEST).write_text(text.replace(f'"{key}"', f'"{key}s"'))
    with pytest.raises(UserError, match="altered: is not what its own digest says; run `.* verify --repair .*`"):
        read_manifest(tmp_path)
