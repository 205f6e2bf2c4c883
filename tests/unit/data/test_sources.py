"""The sources: local files, official archives, and what is told of a place that holds something else."""

import errno
import hashlib
import os
import re
import subprocess
import tarfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mirrors import CONTENT, DIGEST, OTHER, Answer, refused, serving
from mirrors import quick as quick  # a fixture that every test here uses

from ganflow import artifacts
from ganflow.data import fetching
from ganflow.data.faults import BadArchive
from ganflow.data.fetching import fetch
from ganflow.data.formats.cifar10 import ARCHIVE, Cifar10
from ganflow.data.formats.lsun_bedroom import LsunBedroom
from ganflow.data.sources.files import Files
from ganflow.data.sources.official import Official
from ganflow.data.sources.rendered import Rendered
from ganflow.errors import UserError
from ganflow.params_file import checked


@pytest.mark.parametrize("as_url", [False, True])
def test_local_file(tmp_path, as_url):
    source = tmp_path / "a file ü%"
    source.write_bytes(CONTENT)
    location = source.as_uri() if as_url else str(source)
    fetch((location,), tmp_path / "raw" / "archive", DIGEST, len(CONTENT))
    assert (tmp_path / "raw" / "archive").read_bytes() == CONTENT
    refused(location, tmp_path / "archive", DIGEST, "0" * 64, digest="0" * 64)
    refused(location, tmp_path / "archive", f"sha256: {DIGEST}", digest=None)
    refused(location, tmp_path / "archive", len(CONTENT), 5, size=5)


def test_a_local_copy_is_the_users_no_more(tmp_path):
    source, target = tmp_path / "source", tmp_path / "archive"
    source.write_bytes(CONTENT)
    assert fetch((str(source),), target, DIGEST) == DIGEST
    source.write_bytes(OTHER)
    with source.open("r+b") as file:
        file.write(b"changed in place")
    assert target.read_bytes() == CONTENT


def test_blocks_are_shared_where_the_file_system_can(tmp_path, monkeypatch):
    """With a stand-in for the kernel's cloning, which few file systems know: what it cloned is hashed, not copied."""
    (tmp_path / "source").write_bytes(CONTENT)
    asked = []

    def clone(copy, request, source):
        asked.append(request)
        os.pwrite(copy, os.pread(source, len(CONTENT), 0), 0)

    monkeypatch.setattr(fetching.fcntl, "ioctl", clone)
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    fetch((str(tmp_path / "source"),), tmp_path / "archive", DIGEST)
    assert (tmp_path / "archive").read_bytes() == CONTENT and asked == [0x40049409]
    # it is the copy that counts
    monkeypatch.setattr(fetching.fcntl, "ioctl", lambda copy, *_: os.pwrite(copy, OTHER, 0))
    refused(str(tmp_path / "source"), tmp_path / "other/file", hashlib.sha256(OTHER).hexdigest())


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    refused(str(tmp_path / "pipe"), tmp_path / "archive", "not a regular file")


@pytest.mark.parametrize(
    "location",
    ["/nowhere/archive", "file://elsewhere/archive", "file:///nowhere/archive", "ftp://host/x", "s3://b/k", "."],
)
def test_places_that_cannot_be_read(tmp_path, location):
    refused(location, tmp_path / "archive")


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("ftp://host/x", "ftp:// is not supported; write a path, file:///, http:// or https://"),
        ("s3://~/x", "s3:// is not supported; write a path, file:///, http:// or https://"),
        ("/nowhere/archive", "No such file or directory; check the path"),
        ("nowhere", f"No such file or directory ({Path.cwd()}/nowhere); check the path"),
        ("/" + "a" * 300, "can't be read (File name too long); check the path"),
        ("/a\0b", "can't be read (embedded null byte); check the path"),
    ],
)
def test_what_is_wrong_with_a_place_is_told_and_no_other_is_tried(tmp_path, capfd, location, sentence):
    with pytest.raises(UserError) as caught:
        fetch((location,), tmp_path / "archive", DIGEST)
    assert str(caught.value) == f"{location}: {sentence}" and "trying" not in capfd.readouterr().err


def test_a_file_that_may_not_be_read_is_told_before_anything_is_written(tmp_path, monkeypatch):
    def refuse(path, *mode):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    (tmp_path / "source").write_bytes(CONTENT)
    monkeypatch.setattr(Path, "open", refuse)
    refused(str(tmp_path / "source"), tmp_path / "archive", "source: can't be read (Permission denied); check the path")


def test_too_many_open_files_are_no_fault_of_the_source(tmp_path, monkeypatch):
    def refuse(path, *mode):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    (tmp_path / "source").write_bytes(CONTENT)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        fetch((str(tmp_path / "source"),), tmp_path / "archive", DIGEST)


def test_a_folder_may_stand_for_the_one_file_in_it_and_an_address_is_no_folder(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/data").write_bytes(CONTENT)
    for place in (f"{tmp_path}/folder", f"{tmp_path}/folder/", f"{tmp_path}/folder/data"):
        target = tmp_path / "deep/er/archive"
        assert fetch((place,), target, DIGEST, unpacked="data") == DIGEST and target.read_bytes() == CONTENT
        target.unlink()
    with serving(Answer()) as (url, _):
        assert fetch((url,), target, DIGEST, unpacked="data") == DIGEST


def test_official_source_checks_the_official_digest(tmp_path, monkeypatch):
    content, digest = cifar_archive(tmp_path)
    with serving(Answer(content=content)) as (url, _):
        small = ARCHIVE._replace(urls=(url,), bytes=len(content), sha256=digest)
        monkeypatch.setattr(Cifar10, "archives", (small,))
        Official().provide(Cifar10(), tmp_path)
        assert (tmp_path / ARCHIVE.name).read_bytes() == content
        monkeypatch.setattr(Cifar10, "archives", (small._replace(bytes=ARCHIVE.bytes, sha256=ARCHIVE.sha256),))
        with pytest.raises(UserError, match=str(ARCHIVE.bytes)):
            Official().provide(Cifar10(), tmp_path / "again")


def cifar_archive(folder):
    """The bytes and the sha256 of a small archive of CIFAR-10's format, written as `mine` in a folder."""
    folder.mkdir(exist_ok=True)
    Rendered(train=5, validation=1).provide(Cifar10(), folder)
    (folder / ARCHIVE.name).rename(folder / "mine")
    return (folder / "mine").read_bytes(), artifacts.digest_file(folder / "mine")


def files(**places):
    return checked(Files, {"archives": places}, "datasets.d.source.files")


def test_files_source(tmp_path):
    content, digest = cifar_archive(tmp_path)
    place = {"location": str(tmp_path / "mine"), "sha256": digest}
    several = {"location": [str(tmp_path / "nowhere"), str(tmp_path / "mine")], "sha256": digest}
    assert files(**{ARCHIVE.name: several}).provide(Cifar10(), tmp_path / "first") == {ARCHIVE.name: digest}
    files(**{ARCHIVE.name: place}).provide(Cifar10(), tmp_path / "raw")
    assert (tmp_path / "raw" / ARCHIVE.name).read_bytes() == content
    with pytest.raises(UserError, match=f"sha256: {digest}"):
        files(**{ARCHIVE.name: {"location": place["location"]}}).provide(Cifar10(), tmp_path / "other")
    with pytest.raises(UserError, match="did you mean `cifar-10-binary.tar.gz`"):
        files(**{"cifar-10-binary.tgz": place}).provide(Cifar10(), tmp_path / "other")
    with pytest.raises(UserError, match=r"bedroom_val_lmdb.zip` is missing"):
        files(**{"bedroom_train_lmdb.zip": place}).provide(LsunBedroom(), tmp_path / "other")
    for wrong in ([], [""], "", 5):
        with pytest.raises(UserError, match="location"):
            files(**{ARCHIVE.name: place | {"location": wrong}})
    for wrong in ("abc", digest[:-1], digest + "0"):
        with pytest.raises(UserError, match=r"sha256 = '\w+': a sha256 has 64 hex digits, and this has \d+ characters"):
            files(**{ARCHIVE.name: place | {"sha256": wrong}})
    with pytest.raises(UserError, match="sha256"):
        files(**{ARCHIVE.name: place | {"sha256": 5}})


@pytest.mark.parametrize("written", ["{0:X}", " {0}\n", "sha256:{0}", "{0}  cifar-10-binary.tar.gz"])
def test_a_sha256_as_tools_print_it(tmp_path, written):
    _, digest = cifar_archive(tmp_path)
    shown = digest.upper() if "X" in written else written.format(digest)
    place = {"location": str(tmp_path / "mine"), "sha256": shown}
    assert files(**{ARCHIVE.name: place}).provide(Cifar10(), tmp_path / "raw") == {ARCHIVE.name: digest}


def test_paths_as_people_write_them(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "a:b", "data:c", "%20?#"):
        (tmp_path / name).write_bytes(CONTENT)
    good = ("~/mine", "mine", "./mine", "file:mine", f"file://{tmp_path}/mine", f"file://localhost{tmp_path}/mine")
    for number, location in enumerate((*good, "a:b", "data:c", "%20?#", f"{tmp_path}//mine")):
        fetch((location,), tmp_path / "raw" / str(number), DIGEST)
        assert (tmp_path / "raw" / str(number)).read_bytes() == CONTENT
    refused("~nobody-of-this-name/x", tmp_path / "raw/archive", "write the whole path")
    refused("C:\\data\\x", tmp_path / "raw/archive", "No such file or directory", tmp_path)
    refused("mine\0", tmp_path / "raw/archive", "can't be read")


@pytest.mark.parametrize("location", ["file://mine", "file://~/mine"])
def test_the_cure_of_a_relative_file_url_works(tmp_path, monkeypatch, location):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_bytes(CONTENT)
    with pytest.raises(UserError) as caught:
        fetch((location,), tmp_path / "archive", DIGEST)
    cure = re.search("write the path alone: (.+)", str(caught.value))[1]
    fetch((cure,), tmp_path / "archive", DIGEST)


def test_the_cures_of_a_folder_in_place_of_an_archive_work(tmp_path):
    content, digest = cifar_archive(tmp_path / "my data")
    (tmp_path / "my data" / "mine").rename(tmp_path / "my data" / ARCHIVE.name)
    with pytest.raises(UserError, match="is a folder, expected a file; write ") as caught:
        files(**{ARCHIVE.name: {"location": f"{tmp_path}/my data/", "sha256": digest}}).provide(Cifar10(), tmp_path)
    cure = re.search("; write (.+)", str(caught.value))[1]
    files(**{ARCHIVE.name: {"location": cure, "sha256": digest}}).provide(Cifar10(), tmp_path / "one")
    with tarfile.open(tmp_path / "one" / ARCHIVE.name) as archive:
        archive.extractall(tmp_path / "out", filter="data")
    [unpacked] = (tmp_path / "out").iterdir()
    with pytest.raises(UserError, match="is a folder") as caught:
        files(**{ARCHIVE.name: {"location": str(unpacked), "sha256": digest}}).provide(Cifar10(), tmp_path)
    command, packed = re.search("pack it by `(.+)` and write (.+)", str(caught.value)).groups()
    subprocess.run(command, shell=True, check=True)
    place = {"location": packed, "sha256": artifacts.digest_file(Path(packed))}
    files(**{ARCHIVE.name: place}).provide(Cifar10(), tmp_path / "two")
    one, two = (
        [np.asarray(sample.image) for sample in Cifar10().samples(tmp_path / name, "train")] for name in ("one", "two")
    )
    assert len(one) == 5 and np.array_equal(one, two)
    with pytest.raises(UserError, match=r"is a folder.*official name is bedroom_val_lmdb.zip"):
        fetch((str(tmp_path),), tmp_path / "bedroom_val_lmdb.zip", DIGEST)


def test_a_bad_archive_is_told_with_the_users_own_path_before_a_larger_one_is_fetched(tmp_path):
    for name in ("train", "val"):
        (tmp_path / name).write_bytes(b"not a zip")
    digest = artifacts.digest_file(tmp_path / "val")
    places = {
        f"bedroom_{name}_lmdb.zip": {"location": str(tmp_path / name), "sha256": digest} for name in ("train", "val")
    }
    source = files(**places)
    with pytest.raises(BadArchive) as caught:
        source.provide(LsunBedroom(), tmp_path / "raw")
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["bedroom_val_lmdb.zip"]
    told = str(source.told(caught.value))
    assert told.startswith(f"{tmp_path}/val: damaged or not a zip (File is not a zip file); put a sound archive there")
    assert "source.files.archives.bedroom_val_lmdb.zip.sha256" in told and "raw" not in told
