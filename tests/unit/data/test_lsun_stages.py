"""LSUN through the stages: what is wrong is told by the path of the user, and cheap checks come first."""

import pytest
from archives import pixels
from archives import scratch as scratch  # a fixture that every test here uses
from lsun_archives import GOOD, data_mdb, encoded, gradient, lsun
from PIL import Image
from repository import TOP
from ruamel.yaml import YAML

from ganflow import artifacts
from ganflow.config import Experiment
from ganflow.data.formats import lsun_bedroom
from ganflow.errors import UserError
from ganflow.params_file import checked
from ganflow.stages import download, shard


def settings_of(tmp_path, **dataset):
    """The tiny experiment with the archives of a folder as its only dataset."""
    places = {
        path.name: {"location": str(path), "sha256": artifacts.digest_file(path)} for path in tmp_path.glob("*.zip")
    }
    settings = YAML(typ="safe").load((TOP / "profiles/tiny.yaml").read_text())
    chosen = {"format": "lsun_bedroom", "source": {"files": {"archives": places}}, "resolution": 16}
    return checked(Experiment, settings | {"datasets": {"bedrooms": chosen | dataset}})


def test_stages_tell_the_users_own_file_and_cure(tmp_path, monkeypatch):
    """A fault that only reading everything can find is told by `shard`, of the file that the user gave."""
    monkeypatch.chdir(tmp_path)
    values = {f"{index:040d}".encode(): encoded(gradient()) for index in range(200)}
    good = data_mdb(tmp_path / "a", values)
    damaged = good.replace(f"{150:040d}".encode(), b"0" * 40)
    lsun(tmp_path, damaged)
    lsun(tmp_path, good, "bedroom_val_lmdb")
    monkeypatch.setattr(lsun_bedroom, "SMALL", 1000)
    path = tmp_path / "bedroom_train_lmdb.zip"
    wrong = settings_of(tmp_path)
    download.run(wrong, "bedrooms")
    with pytest.raises(UserError) as caught:
        shard.run(wrong, "bedrooms")
    assert str(caught.value).startswith(f"{path}: bedroom_train_lmdb/data.mdb: the keys do not ascend: ")
    assert "put a sound archive there, and its sha256 into params.yaml" in str(caught.value)
    assert not (tmp_path / "data/shards/bedrooms").exists()
    lsun(tmp_path, good)  # the cure
    right = settings_of(tmp_path)
    download.run(right, "bedrooms")
    shard.run(right, "bedrooms")
    lsun(tmp_path, [(GOOD[0], b"hello")])
    with pytest.raises(
        UserError, match=f"^{path}: bedroom_train_lmdb/data.mdb: not an LMDB file.*; put a sound archive"
    ):
        download.run(settings_of(tmp_path), "bedrooms")
    assert (tmp_path / "data/raw/bedrooms/manifest.json").exists(), "what was good is still there"


def test_validation_is_sharded_before_train(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    broken = dict.fromkeys((f"{index:040d}".encode() for index in range(10, 20)), b"broken")
    values = {f"{index:040d}".encode(): encoded(gradient()) for index in range(10)}
    lsun(tmp_path, data_mdb(tmp_path / "a", values))
    lsun(tmp_path, data_mdb(tmp_path / "b", values | broken), "bedroom_val_lmdb")
    experiment = settings_of(tmp_path)
    download.run(experiment, "bedrooms")
    monkeypatch.setattr(shard, "write_shards", (work := Recorder(shard.write_shards)))
    with pytest.raises(UserError, match="bedrooms validation: 10 of the first 20 images can't be used"):
        shard.run(experiment, "bedrooms")
    assert work.splits == ["validation"]


class Recorder:
    """Calls a function and records the splits that it was called for."""

    def __init__(self, function):
        self.function, self.splits = function, []

    def __call__(self, *args, split, **options):
        self.splits.append(split)
        return self.function(*args, split=split, **options)


def test_stages_leave_out_broken_images_and_leave_nothing_in_the_scratch_folder(tmp_path, monkeypatch):
    values = {f"{index:040d}".encode(): encoded(Image.fromarray(pixels())) for index in range(6)}
    values[f"{2:040d}".encode()] = b"broken"
    lsun(tmp_path, data_mdb(tmp_path / "made", values))
    lsun(tmp_path, data_mdb(tmp_path / "held out", {b"k": encoded(gradient())}), "bedroom_val_lmdb")
    monkeypatch.chdir(tmp_path)
    for most, fine in ((0.1, True), (0.0, False)):
        experiment = settings_of(tmp_path, max_corrupt=most)
        if fine:
            download.run(experiment, "bedrooms")
            shard.run(experiment, "bedrooms")
        else:
            with pytest.raises(UserError, match="bedrooms train: 1 of the first 6 images can't be used"):
                shard.run(experiment, "bedrooms")
        found = artifacts.read_json(tmp_path / "data/shards/bedrooms/manifest.json")["skipped"]
        assert found == {
            "train": [
                {
                    "key": f"{2:040d}",
                    "reason": "6 bytes that are not WEBP, JPEG or PNG",
                    "sample": "00000002",
                }
            ],
            "validation": [],
        }
        if fine:
            assert not list(artifacts.SCRATCH.rglob("*.*"))
