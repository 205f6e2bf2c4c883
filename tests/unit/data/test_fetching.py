"""Fetching: what is here is not fetched again, and a target appears whole, by a link or a copy, or not at all."""

import errno
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from disk_order import recorded
from mirrors import CONTENT, CUT, DIGEST, OTHER, Answer, refused, serving
from mirrors import quick as quick  # a fixture that every test here uses

from ganflow import artifacts
from ganflow.data import fetching
from ganflow.data.fetching import fetch
from ganflow.data.formats.lsun_bedroom import LsunBedroom
from ganflow.data.interfaces import Format
from ganflow.data.sources.official import Official
from ganflow.errors import UserError


class Opaque(LsunBedroom):
    """Archives of which nothing but the bytes is looked at."""

    def check(self, path):
        return Format.check(self, path)


def test_what_was_downloaded_is_not_downloaded_again_unless_altered(tmp_path):
    target = tmp_path / "raw" / "archive"
    with serving(Answer(), Answer(status=404)) as (url, asked):
        for _ in range(2):
            assert fetch((url,), target, DIGEST) == DIGEST
            assert list(target.parent.iterdir()) == [target]
        target.unlink()
        fetch((url,), target, DIGEST)
        assert len(asked) == 1
        target.rename(tmp_path / "elsewhere")
        (tmp_path / "elsewhere").write_bytes(OTHER)  # it may be one file with the part
        refused(url, target, "HTTP 404")
        assert len(asked) == 2 and (tmp_path / "elsewhere").read_bytes() == OTHER


def test_a_failure_of_the_second_archive_does_not_cost_the_first(tmp_path, monkeypatch):
    """The second is the larger one: what is wrong with a small archive is known before a large one is asked for."""
    form = Opaque()
    with (
        serving(Answer(status=404), Answer(content=OTHER + b"x")) as (url, _),
        serving(Answer(content=OTHER), Answer(status=404)) as (two, asked),
    ):
        train, validation = form.archives
        digest, small_digest = (hashlib.sha256(content).hexdigest() for content in (OTHER + b"x", OTHER))
        small = (
            train._replace(urls=(url,), bytes=len(OTHER) + 1, sha256=digest),
            validation._replace(urls=(two,), bytes=len(OTHER), sha256=small_digest),
        )
        monkeypatch.setattr(Opaque, "archives", small)
        with pytest.raises(UserError, match="404"), artifacts.atomic_directory(tmp_path / "raw") as folder:
            Official().provide(form, folder)
        assert not (tmp_path / "raw").exists()
        with artifacts.atomic_directory(tmp_path / "raw") as folder:
            assert Official().provide(form, folder) == {train.name: digest, validation.name: small_digest}
        assert len(asked) == 1
    for found in (digest, small_digest):
        artifacts.discard_scratch("download", found)
    assert not list(artifacts.SCRATCH.rglob("*.*")) and (tmp_path / "raw" / train.name).read_bytes() == OTHER + b"x"


def test_two_at_once_download_once(tmp_path):
    with serving(Answer()) as (url, asked), ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: fetch((url,), tmp_path / name, DIGEST), ("a", "b")))
        assert len(asked) == 1
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == CONTENT


def test_a_digest_that_is_known_is_not_taken_again(tmp_path):
    (tmp_path / "archive").write_bytes(CONTENT)
    (tmp_path / "other").write_bytes(OTHER)
    artifacts.write_manifest(tmp_path, {}, {"archive": "taken on the way"})
    assert artifacts.read_json(tmp_path / "manifest.json")["outputs"] == {
        "archive": {"bytes": len(CONTENT), "sha256": "taken on the way"},
        "other": {"bytes": len(OTHER), "sha256": hashlib.sha256(OTHER).hexdigest()},
    }


def test_a_download_that_is_known_by_its_digest_is_not_replaced_by_one_that_is_not(tmp_path):
    """Both were begun: a part of each is kept, and what has a digest goes on with its own."""
    target = tmp_path / "archive"
    with serving(Answer(cut=CUT), Answer(status=404), Answer(), Answer(etag='"b"')) as (url, asked):
        refused(url, target, "HTTP 404")
        refused(url, target, f"sha256: {DIGEST}", digest=None)
        assert fetch((url,), target, DIGEST) == DIGEST
    assert asked == [None, CUT, None, CUT] and target.read_bytes() == CONTENT


@pytest.mark.parametrize("remote", [True, False])
def test_a_file_is_on_the_disk_before_it_takes_its_name(tmp_path, monkeypatch, remote):
    target, source = tmp_path / "raw/archive", tmp_path / "source"
    source.write_bytes(CONTENT)
    with serving(Answer()) as (url, _):
        seen = recorded(monkeypatch)
        fetch((url if remote else str(source),), target, DIGEST)
    of_target = [event for event in seen if event[-1] in (".archive.partial", "archive")]
    linked = [event for event in of_target if event[0] == "link"]
    assert of_target[len(linked) :] == [("fsync", ".archive.partial"), ("replace", ".archive.partial", "archive")]
    assert len(linked) == remote and list(target.parent.iterdir()) == [target]


def test_a_download_is_copied_where_no_link_can_be_made_if_there_is_room(tmp_path, monkeypatch):
    def refuse(*files):
        raise OSError(errno.EXDEV, "another file system")

    monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "archive"
    with serving(Answer()) as (url, asked):
        with monkeypatch.context() as patch:
            free = {target.parent: len(CONTENT) - 1}  # enough in the scratch folder
            patch.setattr(fetching.shutil, "disk_usage", lambda path: SimpleNamespace(free=free.get(path, 10**9)))
            refused(url, target, "make room")
        assert fetch((url,), target, DIGEST) == DIGEST and len(asked) == 1
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("number", "error"),
    [
        *((number, OSError) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE)),
        (errno.EIO, UserError),
    ],
)
def test_a_copy_that_fails_leaves_nothing_and_a_shortage_is_no_fault_of_the_source(
    tmp_path, monkeypatch, number, error
):
    def fail(*arguments):
        raise OSError(number, os.strerror(number))

    (tmp_path / "source").write_bytes(CONTENT)
    monkeypatch.setattr(fetching, "_clone", fail)
    with pytest.raises(error, match=os.strerror(number)):
        fetch((str(tmp_path / "source"),), tmp_path / "raw/archive", DIGEST)
    assert not list((tmp_path / "raw").iterdir())


def test_room_for_exactly_the_file_is_enough(tmp_path, monkeypatch):
    (tmp_path / "source").write_bytes(CONTENT)
    for free in (len(CONTENT) - 1, len(CONTENT)):
        monkeypatch.setattr(fetching.shutil, "disk_usage", lambda path, free=free: SimpleNamespace(free=free))
        if free < len(CONTENT):
            refused(str(tmp_path / "source"), tmp_path / "archive", f"{free} bytes free", "make room")
    assert fetch((str(tmp_path / "source"),), tmp_path / "archive", DIGEST) == DIGEST


def test_a_link_that_a_killed_fetch_left_beside_the_target_is_replaced(tmp_path):
    target = tmp_path / "archive"
    with serving(Answer()) as (url, _):
        refused(url, target, f"sha256: {DIGEST}", digest=None)
        [part] = artifacts.SCRATCH.rglob("part")
        (tmp_path / ".archive.partial").hardlink_to(part)
        assert fetch((url,), target, DIGEST) == DIGEST
    assert target.read_bytes() == CONTENT and not (tmp_path / ".archive.partial").exists()
