"""LSUN's databases: unpacked once whatever is killed or altered, given as a folder, and checked beforehand."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from archives import pixels, refused
from archives import scratch as scratch  # a fixture that every test here uses
from hypothesis import given, settings
from hypothesis import strategies as st
from lsun_archives import GOOD, data_mdb, encoded, gradient, lsun, one
from PIL import Image

from ganflow import artifacts
from ganflow.data import zip_file
from ganflow.data.faults import BadArchive
from ganflow.data.formats import lsun_bedroom
from ganflow.data.formats.lsun_bedroom import LsunBedroom
from ganflow.data.interfaces import CorruptImage
from ganflow.data.sources.files import Files
from ganflow.errors import UserError
from ganflow.params_file import checked


def test_lsun_is_unpacked_once_even_if_the_process_is_killed(tmp_path):
    one(tmp_path, encoded(gradient()))
    next(LsunBedroom().samples(tmp_path, "train"))
    [data] = artifacts.SCRATCH.rglob("*.mdb")
    inode = data.stat().st_ino
    [sample] = LsunBedroom().samples(tmp_path, "train")
    assert data.stat().st_ino == inode and sample.image.size == (16, 16)
    one(tmp_path, encoded(Image.new("RGB", (20, 20))))
    [sample] = LsunBedroom().samples(tmp_path, "train")
    assert sample.image.size == (20, 20), "another archive is unpacked anew"
    data.write_bytes(b"half")  # as a kill leaves it
    [sample] = LsunBedroom().samples(tmp_path, "train")
    assert sample.image.size == (20, 20)


@pytest.mark.parametrize("at", [0.1, 0.5, 0.9])
def test_lsun_data_that_was_altered_since_it_was_unpacked_is_unpacked_again(tmp_path, capfd, at):
    one(tmp_path, encoded(gradient()))
    next(LsunBedroom().samples(tmp_path, "train"))
    [data] = artifacts.SCRATCH.rglob("*.mdb")
    whole = data.read_bytes()
    content = bytearray(whole)
    content[int(at * len(content))] ^= 4
    data.write_bytes(content)
    [_] = LsunBedroom().samples(tmp_path, "train")
    assert data.read_bytes() == whole
    assert f"{data}: is not what the archive holds; it is extracted again" in capfd.readouterr().err
    target = tmp_path / "the user's"
    data.rename(target)
    for there in (data.mkdir, lambda: data.symlink_to(target)):
        artifacts.remove(data)
        there()
        [_] = LsunBedroom().samples(tmp_path, "train")
        assert data.read_bytes() == target.read_bytes() == whole and not data.is_symlink()


def test_lsun_pictures_are_read_by_other_processes(tmp_path):
    values = {f"{index:040d}".encode(): encoded(Image.fromarray(pixels())) for index in range(6)}
    values[b"f" * 40] = b"broken"
    found = list(LsunBedroom().samples(lsun(tmp_path, data_mdb(tmp_path / "made", values)), "train"))
    again = [pickle.loads(pickle.dumps(sample)) for sample in found]
    assert all(len(pickle.dumps(sample)) < 1000 for sample in found)
    assert all(np.array_equal(a.image, b.image) for a, b in zip(found[:6], again[:6], strict=True))
    with pytest.raises(CorruptImage) as caught:
        _ = again[6].image
    assert pickle.loads(pickle.dumps(caught.value)).key == "f" * 40


def test_lsun_data_cut_short_in_a_valid_zip(tmp_path):
    values = {f"{index:040d}".encode(): encoded(Image.fromarray(pixels())) for index in range(20)}
    whole = data_mdb(tmp_path / "made", values)
    for size in (len(whole) - 4096, len(whole) // 2, 8192, 4096, 4095, 100, 0):
        refused(LsunBedroom(), lsun(tmp_path, whole[:size]), "data.mdb")
    refused(LsunBedroom(), lsun(tmp_path, whole[: len(whole) // 2]), "truncated", len(whole) // 2)
    assert len(list(LsunBedroom().samples(lsun(tmp_path, whole), "train"))) == 20


@pytest.mark.parametrize("where", ["data", "cut", "directory", "not a zip"])
def test_lsun_damaged_zip(tmp_path, where):
    path = one(tmp_path, encoded(Image.fromarray(pixels()))) / "bedroom_train_lmdb.zip"
    content = bytearray(path.read_bytes())
    match where:
        case "data":
            content[len(content) // 2] ^= 1
        case "cut":
            del content[len(content) // 2 :]
        case "directory":
            content[content.rindex(b"PK\x01\x02") + 10] ^= 0xFF
        case "not a zip":
            content = b"<html>busy</html>"
    path.write_bytes(content)
    refused(LsunBedroom(), tmp_path, path)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4))
def test_lsun_any_change_of_the_zip_is_read_or_refused(tmp_path_factory, changes):
    folder = tmp_path_factory.mktemp("lsun")
    path = one(folder, encoded(gradient())) / "bedroom_train_lmdb.zip"
    content = bytearray(path.read_bytes())
    for where, change in changes:  # half of them from the end, where the list of members is
        at = int(where * len(content)) if where < 0.5 else int(len(content) - (1 - where) * 400)
        content[at : at + len(change)] = change
    path.write_bytes(content)
    try:
        assert len([sample.image for sample in LsunBedroom().samples(folder, "train")]) <= 1
    except UserError as error:
        assert str(path) in str(error) and "\n" not in str(error)


ADDED = [("__MACOSX/bedroom_train_lmdb/._data.mdb", b"x"), ("bedroom_train_lmdb/.DS_Store", b"y"), ("Thumbs.db", b"z")]


@pytest.mark.parametrize(
    ("names", "added"), [("", []), ("./bedroom_train_lmdb/", []), ("bedroom_train_lmdb/", ADDED), ("", ADDED)]
)
def test_lsun_zips_as_people_pack_them(tmp_path, names, added):
    content = data_mdb(tmp_path / "made", {b"k": encoded(gradient())})
    lsun(tmp_path, [(f"{names}data.mdb", content), (f"{names}lock.mdb", b"l" * 8192), *added])
    [sample] = LsunBedroom().samples(tmp_path, "train")
    assert sample.image.size == (16, 16)


def test_lsun_extracted_folder_is_given_instead_of_the_zip(tmp_path):
    content = data_mdb(tmp_path / "bedroom_train_lmdb", {b"k": encoded(gradient()), b"l": encoded(gradient())})
    (tmp_path / "bedroom_train_lmdb/lock.mdb").write_bytes(b"")
    lsun(tmp_path, data_mdb(tmp_path / "held out", {b"k": encoded(gradient())}), "bedroom_val_lmdb")
    digest, small = artifacts.digest_bytes(content), artifacts.digest_file(tmp_path / "bedroom_val_lmdb.zip")
    for location in ("bedroom_train_lmdb", "bedroom_train_lmdb/", "bedroom_train_lmdb/data.mdb"):
        archives = {
            "bedroom_train_lmdb.zip": {"location": f"{tmp_path}/{location}", "sha256": digest},
            "bedroom_val_lmdb.zip": {"location": f"{tmp_path}/bedroom_val_lmdb.zip", "sha256": small},
        }
        source = checked(Files, {"archives": archives})
        assert source.provide(LsunBedroom(), tmp_path / "raw")["bedroom_train_lmdb.zip"] == digest
        assert len([sample.image for sample in LsunBedroom().samples(tmp_path / "raw", "train")]) == 2
        assert not list(artifacts.SCRATCH.rglob("*.mdb")), "it need not be extracted"
    archives["bedroom_train_lmdb.zip"] = {"location": f"{tmp_path}/bedroom_train_lmdb", "sha256": "0" * 64}
    with pytest.raises(
        UserError, match=f"bedroom_train_lmdb/data.mdb: its {len(content)} bytes have the sha256 {digest}"
    ):
        checked(Files, {"archives": archives}).provide(LsunBedroom(), tmp_path / "raw")


def checks(folder, *words):
    """What the check of the training archive says of one that it refuses, or states of one that it does not."""
    form, path = LsunBedroom(), folder / "bedroom_train_lmdb.zip"
    if not words:
        return form.check(path)
    with pytest.raises(BadArchive) as caught:
        form.check(path)
    for word in (path, *words):
        assert str(word) in str(caught.value)
    return None


def test_lsun_check_of_an_archive(tmp_path, monkeypatch):
    good, bad = encoded(gradient()), b"not an image"
    values = {f"{index:040d}".encode(): good for index in range(200)}
    assert checks(lsun(tmp_path, data_mdb(tmp_path / "a", values))) == "200 photographs"
    assert checks(lsun(tmp_path, data_mdb(tmp_path / "b", values | {b"0": bad}))) == "201 photographs"
    checks(
        lsun(tmp_path, data_mdb(tmp_path / "c", dict.fromkeys(values, bad))), "none of its first 8", "'0000", "12 bytes"
    )
    checks(lsun(tmp_path, data_mdb(tmp_path / "d", {})), "holds no photograph")
    whole = data_mdb(tmp_path / "e", values)
    checks(lsun(tmp_path, whole.replace(f"{150:040d}".encode(), b"0" * 40)), "data.mdb: the keys do not ascend")
    monkeypatch.setattr(lsun_bedroom, "SMALL", 1000)  # of a large archive, what stands at its beginning
    monkeypatch.setattr(zip_file, "_extract", None)
    assert checks(lsun(tmp_path, whole)) == "200 photographs"
    checks(lsun(tmp_path, whole[:-4096]), "truncated")
    checks(lsun(tmp_path, data_mdb(tmp_path / "f", {})), "holds no photograph")
    checks(lsun(tmp_path, [(GOOD[0], b"hello")]), "not an LMDB file")
    (tmp_path / "bedroom_train_lmdb.zip").write_bytes(whole)
    assert checks(tmp_path) == "200 photographs"
    assert not list(artifacts.SCRATCH.rglob("*.*")), "a check leaves nothing behind"


def test_lsun_altered_extraction_is_not_used(tmp_path):
    one(tmp_path, encoded(gradient()))
    [before] = LsunBedroom().samples(tmp_path, "train")
    pixels_before = np.asarray(before.image)
    [data] = artifacts.SCRATCH.rglob("*.mdb")
    content = bytearray(data.read_bytes())
    content[content.index(b"IDAT") + 12] ^= 1
    data.write_bytes(content)
    [again] = LsunBedroom().samples(tmp_path, "train")
    assert np.array_equal(np.asarray(again.image), pixels_before)


def test_lsun_wants_room_on_the_disk(tmp_path, monkeypatch):
    one(tmp_path, encoded(gradient()))
    monkeypatch.setattr(zip_file.shutil, "disk_usage", lambda path: SimpleNamespace(free=10))
    refused(LsunBedroom(), tmp_path, "10 bytes free", "make room")
