"""Shards: any WebDataset reader sees what was written, always the same bytes, and so do ours."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from repository import TOP
from small_shards import CLASSES, arrays, broken, make, samples, unreadable

from ganflow.data import shards
from ganflow.data.decoding import center_crop_resize
from ganflow.data.interfaces import Sample
from ganflow.data.reader import Shards
from ganflow.data.shards import tar_header
from ganflow.data.writing import write_shards
from ganflow.errors import UserError


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(1, 20),
    side=st.integers(1, 40),
    shard_size=st.integers(1, 25),
    labelled=st.booleans(),
    encoding=st.sampled_from(["raw", "webp"]),
)
def test_round_trip(tmp_path_factory, count, side, shard_size, labelled, encoding):
    folder = tmp_path_factory.mktemp("shards")
    images, labels = make(folder, count, side, shard_size, labelled, encoding=encoding)
    found = Shards(folder, threads=1 + count % 2)
    found.verify()
    assert (found.count, found.shape, found.labelled) == (count, (side, side, 3), labelled)
    assert found.classes == (CLASSES if labelled else ())
    assert sorted(file.name for file in folder.glob("*.tar")) == [
        f"toys-train-{number:06d}.tar" for number in range(-(-count // shard_size))
    ]
    indices = np.random.default_rng(0).integers(0, count, 30)
    assert np.array_equal(found.samples(indices), images[indices])
    assert found.samples(indices[:0]).shape == (0, side, side, 3)
    if labelled:
        assert np.array_equal(found.labels(indices), labels[indices])
        assert found.labels(indices).dtype == np.int64


@pytest.mark.parametrize(("count", "dimension", "labelled"), [(7, 1, False), (5, 2, True), (3, 97, False)])
def test_points_are_samples_too(tmp_path, count, dimension, labelled):
    points = np.random.default_rng(0).standard_normal((count, dimension), dtype=np.float32)
    points[0, 0] = np.nan
    labels = [index % 3 if labelled else None for index in range(count)]
    given = [Sample(f"{i:08d}", point.copy, label) for i, (point, label) in enumerate(zip(points, labels, strict=True))]
    about = {"dataset": "toys", "split": "train", "shape": (dimension,), "classes": CLASSES[:3] if labelled else ()}
    write_shards(given, tmp_path, shard_size=2, **about)
    found = Shards(tmp_path)
    found.verify()
    assert (found.count, found.shape, found.dtype) == (count, (dimension,), np.float32)
    everything = np.arange(count)[::-1]
    assert found.samples(everything).tobytes() == points[::-1].tobytes()
    if labelled:
        assert found.labels(everything).tolist() == labels[::-1]
    with tarfile.open(tmp_path / "toys-train-000000.tar") as archive:
        stored = np.load(io.BytesIO(archive.extractfile("00000001.npy").read()))
    assert stored.tobytes() == points[1].tobytes() and stored.shape == (dimension,)


def test_points_of_another_kind_are_refused(tmp_path):
    about = {"dataset": "toys", "split": "train", "shape": (2,), "classes": (), "shard_size": 2}
    for wrong in (np.zeros(2), np.zeros(3, np.float32), np.zeros((2, 1), np.float32)):
        with pytest.raises(ValueError, match="expected float32"):
            write_shards([Sample("0", wrong.copy, None)], tmp_path, **about)


def test_tarfile_reads_them_and_writes_the_same_bytes(tmp_path):
    images, labels = make(tmp_path, shard_size=4)
    index = json.loads((tmp_path / "index.json").read_text())
    position = 0
    for shard in index["shards"]:
        path = tmp_path / shard["name"]
        again = io.BytesIO()
        with tarfile.open(path) as archive, tarfile.open(fileobj=again, mode="w", format=tarfile.USTAR_FORMAT) as copy:
            members = archive.getmembers()
            assert [member.name for member in members] == sorted(member.name for member in members)
            for label, picture in zip(members[::2], members[1::2], strict=True):
                assert label.name == f"{position:08d}.cls" and picture.name == f"{position:08d}.npy"
                assert label.offset == (position % 4) * shard["stride"]
                assert archive.extractfile(label).read() == str(labels[position]).encode()
                assert np.array_equal(np.load(io.BytesIO(archive.extractfile(picture).read())), images[position])
                position += 1
            for member in members:
                assert (member.mtime, member.uid, member.gid, member.mode) == (0, 0, 0, 0o644)
                assert (member.uname, member.gname, member.type) == ("", "", tarfile.REGTYPE)
                copy.addfile(member, archive.extractfile(member))
        assert path.read_bytes() == again.getvalue()
        assert shard["bytes"] == path.stat().st_size
        assert shard["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert position == index["count"] == len(images)


@given(name=st.text("abc0-_.", min_size=1, max_size=100), size=st.integers(0, 8**11 - 1))
def test_header_is_that_of_tarfile(name, size):
    member = tarfile.TarInfo(name)
    member.size = size
    assert tar_header(name, size) == member.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("labelled", [True, False])
def test_webdataset_reads_them(tmp_path, labelled):
    wds = pytest.importorskip("webdataset")
    images, labels = make(tmp_path, labelled=labelled)
    urls = [str(path) for path in sorted(tmp_path.glob("*.tar"))]
    found = list(wds.WebDataset(urls, shardshuffle=False).decode())
    assert [sample["__key__"] for sample in found] == [f"{index:08d}" for index in range(len(images))]
    for index, sample in enumerate(found):
        assert np.array_equal(sample["npy"], images[index])
        assert sample.get("cls") == (labels[index] if labelled else None)


WRITE = """
import os, sys
from pathlib import Path
os.umask(int(sys.argv[2], 8))
sys.path.insert(0, sys.argv[3])
import small_shards
if __name__ == "__main__":
    small_shards.make(Path(sys.argv[1]), 20, processes=int(sys.argv[4]))
"""


@pytest.mark.slow
def test_bytes_depend_on_nothing_but_the_images(tmp_path):
    expected = tmp_path / "here"
    make(expected, 20)
    (tmp_path / "write.py").write_text(WRITE)
    for name, umask, processes, changes in (
        ("a", "022", "1", {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo"}),
        ("b", "077", "2", {"PYTHONHASHSEED": "2", "TZ": "UTC", "LC_ALL": "C"}),
    ):
        environment = os.environ | changes | {"PYTHONPATH": str(Path(shards.__file__).parents[2])}
        command = [sys.executable, tmp_path / "write.py", tmp_path / name, umask, TOP / "tests/support", processes]
        subprocess.run(command, env=environment, check=True)
        files = sorted(expected.iterdir())
        assert [file.name for file in sorted((tmp_path / name).iterdir())] == [file.name for file in files]
        assert all((tmp_path / name / file.name).read_bytes() == file.read_bytes() for file in files)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_damaged_archive_stops_the_writing_with_its_sentence(tmp_path, processes):
    broken = [*samples(arrays(3)), Sample("x", unreadable, None)]
    with pytest.raises(UserError, match="archive.zip: key 'k': broken"):
        about = {"dataset": "toys", "split": "train", "shape": (8, 8, 3), "shard_size": 2, "classes": ()}
        write_shards(broken, tmp_path, **about, processes=processes)
    assert not (tmp_path / "index.json").exists()


def with_broken(count, *at):
    """`count` samples, of which those at some places can't be used."""
    for index, sample in enumerate(samples(arrays(count))):
        yield sample._replace(content=partial(broken, f"k{index}", "cut short")) if index in at else sample


TOYS = {"dataset": "toys", "split": "train", "shape": (8, 8, 3), "shard_size": 4, "classes": ()}


@pytest.mark.parametrize("processes", [1, 2])
def test_broken_images_are_left_out_and_listed(tmp_path, processes):
    skipped = write_shards(with_broken(11, 0, 5), tmp_path, **TOYS, processes=processes, max_corrupt=0.15)
    assert skipped == [{"sample": f"{index:08d}", "key": f"k{index}", "reason": "cut short"} for index in (0, 5)]
    found = Shards(tmp_path)
    found.verify()
    assert np.array_equal(found.samples(np.arange(found.count)), np.delete(arrays(11), [0, 5], axis=0))
    assert [shard.count for shard in found.index.shards] == [4, 4, 1]


@pytest.mark.parametrize(("count", "most", "allowed"), [(11, 0.09, 1), (9, 0.1, 1), (20, 0.0, 0)])
def test_too_many_broken_images_are_refused(tmp_path, count, most, allowed):
    write_shards(with_broken(count, *range(allowed)), tmp_path / "few", **TOYS, max_corrupt=most)
    sentence = f"toys train: {allowed + 1} of the first {count} .* allows {allowed}; .* 'k0': cut short; .*max_corrupt"
    with pytest.raises(UserError, match=sentence):
        write_shards(with_broken(count, *range(allowed + 1)), tmp_path / "many", **TOYS, max_corrupt=most)
    assert not (tmp_path / "many" / "index.json").exists()


def test_very_many_broken_images_are_refused_before_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr("ganflow.data.corrupt.EARLY_CHECK", 5)
    with pytest.raises(UserError, match="6 of the first 6 images"):
        write_shards(with_broken(20, *range(20)), tmp_path, **TOYS, max_corrupt=0.1)


def test_an_empty_split_is_refused(tmp_path):
    with pytest.raises(UserError, match="'train' of toys holds no sample"):
        make(tmp_path, 0)


def test_center_crop_resize():
    image = Image.new("RGB", (30, 10), "red")
    image.paste("blue", (10, 0, 20, 10))
    assert np.array_equal(center_crop_resize(image, 10), np.full((10, 10, 3), (0, 0, 255)))
    assert np.array_equal(center_crop_resize(image, 5), np.full((5, 5, 3), (0, 0, 255)))
    assert np.array_equal(center_crop_resize(image.rotate(90, expand=True), 40), np.full((40, 40, 3), (0, 0, 255)))
    exact = arrays(1, 16)[0]
    assert np.array_equal(center_crop_resize(Image.fromarray(exact), 16), exact)


def test_what_is_not_there_cannot_be_read(tmp_path):
    make(tmp_path, labelled=False)
    opened = Shards(tmp_path)
    for wrong in ([7], [-1], [0, 10**12]):
        with pytest.raises(IndexError, match=r"indices must be in 0\.\.6"):
            opened.samples(np.array(wrong))
    with pytest.raises(UserError, match="no labels"):
        opened.labels(np.arange(2))


@pytest.mark.slow
def test_more_shards_than_open_files(tmp_path):
    make(tmp_path, 400, side=1, shard_size=1)
    limited = (
        "import resource, sys, numpy; resource.setrlimit(resource.RLIMIT_NOFILE, (64, %s)); from pathlib import Path;"
    )
    limited += (
        "from ganflow.data.reader import Shards; print(Shards(Path(sys.argv[1])).samples(numpy.arange(400)).shape)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(shards.__file__).parents[2])}
    for hard, expected in ((4096, "(400, 1, 1, 3)"), (100, "ulimit -n")):
        command = [sys.executable, "-c", limited % hard, tmp_path]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert expected in done.stdout + done.stderr
