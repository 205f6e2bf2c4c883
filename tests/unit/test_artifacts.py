"""Artifacts: a folder is replaced whole or not at all, and a manifest is what its own digest says."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from disk_order import open_files, recorded
from pydantic import BaseModel

from ganflow import artifacts
from ganflow.artifacts import (
    MANIFEST,
    SCRATCH,
    atomic_directory,
    change_manifest,
    digest_bytes,
    discard_scratch,
    file_fault,
    known_json,
    read_csv,
    read_json,
    read_manifest,
    read_model,
    read_sealed,
    remove,
    scratch,
    scratch_lock,
    write_file,
    write_manifest,
    write_sealed,
)
from ganflow.errors import UserError
from ganflow.locks import held


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


# ---- what a power cut finds


def test_a_file_is_on_the_disk_before_it_takes_its_name_and_the_name_afterwards(tmp_path, monkeypatch):
    before, seen = open_files(), recorded(monkeypatch)
    for content in ("text", b"bytes"):
        write_file(tmp_path / "folder/file", content)
        assert seen == [("fsync", ".file.partial"), ("replace", ".file.partial", "file"), ("fsync", "folder")]
        assert (tmp_path / "folder/file").read_bytes() == (content.encode() if content == "text" else content)
        seen.clear()
    assert open_files() == before


@pytest.mark.parametrize("again", [False, True])
def test_all_of_a_folder_is_on_the_disk_before_it_takes_its_name_and_the_name_afterwards(tmp_path, monkeypatch, again):
    path = tmp_path / "output"
    if again:
        replace_folder(path, "old")
    before, seen = open_files(), recorded(monkeypatch)
    replace_folder(path, "new")
    named = seen.index(("replace", ".output.partial", "output"))
    assert sorted(seen[: named - again]) == [("fsync", name) for name in (".output.partial", "inner", "one", "other")]
    aside = [("replace", "output", ".output.old"), ("replace", ".output.old", ".output.partial")] if again else []
    assert seen[named - again : named] == aside[:1]
    assert seen[named + 1 :] == [("fsync", tmp_path.name), *aside[1:]]
    assert open_files() == before


def test_a_failure_leaves_no_half_folder_and_is_told(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic_directory(tmp_path / "output") as partial:
        (partial / "file").write_text("half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_an_old_folder_that_cannot_be_deleted_is_in_nobodys_way(tmp_path, monkeypatch):
    def refuse(path, ignore_errors=False):
        if not ignore_errors:
            raise PermissionError

    replace_folder(tmp_path / "output", "old")
    monkeypatch.setattr(shutil, "rmtree", refuse)
    replace_folder(tmp_path / "output", "new")
    assert contents(tmp_path / "output") == NEW


# ---- scratch folders


def test_a_scratch_folder_keeps_what_is_in_it_and_takes_the_place_of_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = scratch("train", "a" * 64)
    (folder / "state").write_text("begun")
    assert scratch("train", "a" * 64) == folder == SCRATCH / "train" / ("a" * 32)
    assert (folder / "state").read_text() == "begun"
    assert scratch("train", "b" * 64) != folder
    shutil.rmtree(folder)
    folder.write_text("a file")
    assert scratch("train", "a" * 64).is_dir()


def test_a_scratch_folder_is_discarded_with_its_lock_unless_somebody_is_at_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    discard_scratch("download", "a" * 64)
    assert not list(tmp_path.iterdir())  # no lock of what is not there
    folder, lock = scratch("download", "a" * 64), scratch_lock("download", "a" * 64)
    (folder / "part").write_text("half")
    with held(lock, "a download"):
        discard_scratch("download", "a" * 64)
        assert (folder / "part").read_text() == "half" and lock.exists()
    delete, there = shutil.rmtree, []
    monkeypatch.setattr(shutil, "rmtree", lambda *about, **how: (there.append(lock.exists()), delete(*about, **how)))
    discard_scratch("download", "a" * 64)
    assert not folder.exists() and not lock.exists() and there == [True]  # whoever comes meanwhile finds the lock


def test_removing_takes_a_file_a_folder_or_a_link_but_never_what_a_link_points_at(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("the user's")
    path = tmp_path / "path"
    for there in (lambda: path.write_text("text"), lambda: shutil.copytree(outside, path), lambda: None):
        there()
        remove(path)
        assert not path.exists()
    for target in (outside, outside / "file", outside / "absent"):
        path.symlink_to(target)
        remove(path)
        assert not path.is_symlink() and (outside / "file").read_text() == "the user's"


# ---- what is read


def test_a_file_is_what_its_entry_says_or_its_fault_is_told(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"text")
    entry = {"bytes": 4, "sha256": digest_bytes(b"text")}
    assert file_fault(path, entry) is None
    for content, fault in ((b"texts", "has 5 bytes, expected 4"), (b"test", "has the sha256 ")):
        path.write_bytes(content)
        assert file_fault(path, entry).startswith(fault)
    path.unlink()
    assert file_fault(path, entry) == "is missing"
    path.mkdir()
    assert file_fault(path, entry) == "is missing"


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../file", "inner/../../file", "in\0ner", "", "a" * 256, "é" * 128, "a/" * 499 + "abc"]
)
def test_a_manifest_names_no_file_outside_its_folder(tmp_path, name):
    (tmp_path / "file").write_text("text")
    write_manifest(tmp_path, {})
    change_manifest(tmp_path, {"outputs": {"a" * 255: {"bytes": 0, "sha256": "0" * 64}}})
    assert list(read_manifest(tmp_path)["outputs"]) == ["a" * 255]
    change_manifest(tmp_path, {"outputs": {name: {"bytes": 0, "sha256": "0" * 64}}})
    with pytest.raises(UserError, match=f"{MANIFEST}: .*outputs"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("entry", [{"bytes": -1}, {"sha256": "0" * 63}, {"sha256": "G" * 64}, {"bytes": 1.5}])
def test_an_entry_of_a_manifest_is_a_size_and_a_digest(tmp_path, entry):
    write_manifest(tmp_path, {})
    change_manifest(tmp_path, {"outputs": {"file": {"bytes": 0, "sha256": "0" * 64} | entry}})
    with pytest.raises(UserError, match=f"{MANIFEST}: .*outputs"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("content", ["{}", "[]", '["manifest"]', '"manifest"', "null", '{"outputs": {}}'])
def test_what_has_no_seal_is_no_manifest(tmp_path, content):
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(UserError, match=f"{MANIFEST}: not a manifest of this version; run `.* verify --repair"):
        read_manifest(tmp_path)
    (tmp_path / MANIFEST).unlink()
    (tmp_path / MANIFEST).mkdir()
    with pytest.raises(UserError, match="missing or not finished"):
        read_manifest(tmp_path)


def test_a_manifest_lists_every_file_once_and_not_itself_and_reads_none_whose_digest_is_known(tmp_path, monkeypatch):
    (tmp_path / "inner").mkdir()
    for name in ("one", "inner/other"):
        (tmp_path / name).write_text(name)
    write_manifest(tmp_path, {})
    first = read_manifest(tmp_path)
    read: list[str] = []
    monkeypatch.setattr(artifacts, "digest_file", lambda path: read.append(path.name) or digest_bytes(b"one"))
    write_manifest(tmp_path, {}, known={"inner/other": digest_bytes(b"inner/other")})
    assert read == ["one"] and read_manifest(tmp_path) == first
    assert first["outputs"] == {
        name: {"bytes": len(name), "sha256": digest_bytes(name.encode())} for name in ("inner/other", "one")
    }


def test_what_is_too_large_is_not_read(tmp_path, monkeypatch):
    write_sealed(tmp_path / "record", 1)
    size = (tmp_path / "record").stat().st_size
    for limit in (size, size - 1):
        monkeypatch.setattr(artifacts, "LARGEST_TEXT", limit)
        if limit == size:
            assert read_sealed(tmp_path / "record") == 1 and read_json(tmp_path / "record")["value"] == 1
            continue
        with pytest.raises(ValueError, match="is not a file of this program"):
            read_sealed(tmp_path / "record")
        with pytest.raises(UserError, match=f"record: {size} bytes, more than any such file has; run `python"):
            read_json(tmp_path / "record")


def test_what_is_sealed_is_a_file_and_no_link_to_one(tmp_path):
    write_sealed(tmp_path / "record", 1)
    (tmp_path / "link").symlink_to(tmp_path / "record")
    with pytest.raises(ValueError, match="is not a file of this program"):
        read_sealed(tmp_path / "link")


@pytest.mark.parametrize(
    ("content", "fault"),
    [('{"value": 1}', "something else"), ("[1]", "something else"), ("{", "is not JSON"), (None, "its own digest")],
)
def test_a_seal_says_what_is_wrong(tmp_path, content, fault):
    path = tmp_path / "record"
    write_sealed(path, {"a": 1})
    path.write_text(content or path.read_text().replace('"a": 1', '"a": 2'))
    with pytest.raises(ValueError, match=fault):
        read_sealed(path)


class Described(BaseModel):
    """A file that a test writes."""

    a: int


def test_json_that_is_absent_damaged_or_of_another_shape_is_told_with_its_remedy(tmp_path):
    path = tmp_path / "file"
    for there, fault, remedy in (
        (lambda: None, "missing", "run `dvc repro` to create it"),
        (path.mkdir, "is a folder", f"run `python -m ganflow verify --repair {path}`"),
        (lambda: (path.rmdir(), path.write_text("{")), r"damaged \(not JSON\)", "verify --repair"),
        (lambda: path.write_text('{"a": "b"}'), "a = 'b'", "verify --repair"),
    ):
        there()
        with pytest.raises(UserError, match=f"{path}.*{fault}.*{remedy}"):
            read_model(Described, path)
        with pytest.raises(UserError, match=f"{path}.*{fault}.*; ask for another"):
            read_model(Described, path, "ask for another")
        assert known_json(Described, path) is None
    path.write_text('{"a": 1}')
    assert read_model(Described, path) == known_json(Described, path) == {"a": 1}
    with pytest.raises(UserError, match="file/inside: missing"):
        read_json(path / "inside")


def test_what_cannot_be_read_is_not_known(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise PermissionError

    monkeypatch.setattr(artifacts, "read_model", refuse)
    assert known_json(Described, tmp_path / "file") is None


def test_a_table_of_numbers_has_the_columns_that_are_needed(tmp_path):
    path = tmp_path / "journal.csv"
    path.write_text("iteration,loss\n1,2.5\n")
    assert read_csv(path) == read_csv(path, "loss", "iteration") == {"iteration": [1.0], "loss": [2.5]}
    with pytest.raises(UserError, match=r"has no column `rate`; run `.* verify --repair"):
        read_csv(path, "loss", "rate")
    path.write_text("iteration,loss\n1,none\n")
    with pytest.raises(UserError, match="not a table of numbers"):
        read_csv(path)
