"""Shards: any WebDataset reader sees what was written, always the same bytes; a lying index ends in one sentence."""

import errno
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from repository import TOP
from small_shards import CLASSES, arrays, broken, make, refused, samples, unreadable

from ganflow.data import reader, shards
from ganflow.data.decoding import center_crop_resize
from ganflow.data.interfaces import Sample
from ganflow.data.reader import Shards, batch_indices, order
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


# ---- what is not as it should be


def change(folder, edit):
    index = json.loads((folder / "index.json").read_text())
    edit(index)
    (folder / "index.json").write_text(json.dumps(index))


LIES = {
    "count": lambda i: i.update(count=8),
    "huge count": lambda i: i.update(count=10**30),
    "negative count": lambda i: i.update(count=-1),
    "NaN count": lambda i: i.update(count=float("nan")),
    "float count": lambda i: i.update(count=7.0),
    "text count": lambda i: i.update(count="7"),
    "true count": lambda i: i.update(count=True),
    "shape": lambda i: i.update(shape=[8, 9, 3]),
    "huge shape": lambda i: i.update(shape=[10**12, 10**12, 3]),
    "grey": lambda i: i.update(shape=[8, 8, 1]),
    "flat": lambda i: i.update(shape=[64, 3]),
    "dtype": lambda i: i.update(dtype="float32"),
    "unknown dtype": lambda i: i.update(dtype="object"),
    "point": lambda i: i.update(shape=[8]),
    "unlabelled": lambda i: i.update(labelled=False),
    "no classes": lambda i: i.update(classes=[]),
    "classes of numbers": lambda i: i.update(classes=[1, 2]),
    "encoding": lambda i: i.update(encoding="pkl"),
    "packed": lambda i: i.update(encoding="webp"),
    "offsets": lambda i: i.update(offsets="0" * 64),
    "no stride": lambda i: i["shards"][0].update(stride=None),
    "unknown key": lambda i: i.update(colour="red"),
    "no shards": lambda i: i.update(shards=[]),
    "shards null": lambda i: i.update(shards=None),
    "fewer shards": lambda i: i["shards"].pop(),
    "repeated shard": lambda i: i["shards"].append(i["shards"][0]),
    "swapped": lambda i: i["shards"].reverse(),
    "outside": lambda i: i["shards"][0].update(name="../toys-train-000000.tar"),
    "absolute": lambda i: i["shards"][0].update(name="/etc/passwd"),
    "outside by dataset": lambda i: (
        i.update(dataset="../toys"),
        [shard.update(name="../" + shard["name"]) for shard in i["shards"]],
    ),
    "nul": lambda i: (i.update(dataset="\0"), [s.update(name=s["name"].replace("toys", "\0")) for s in i["shards"]]),
    "stride": lambda i: i["shards"][0].update(stride=512),
    "huge stride": lambda i: i["shards"][0].update(stride=2**70),
    "zero stride": lambda i: i["shards"][0].update(stride=0),
    "first": lambda i: i["shards"][0].update(first=512),
    "bytes": lambda i: i["shards"][0].update(bytes=20480),
    "shard count": lambda i: (i["shards"][0].update(count=4), i["shards"][1].update(count=2)),
    "digest": lambda i: i["shards"][0].update(sha256="../../x"),
    "one more": lambda i: i["shards"][0].update(count=4),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_index_that_lies_is_refused(tmp_path, lie):
    make(tmp_path, side=64)
    change(tmp_path, LIES[lie])
    refused(tmp_path, "index.json")


SENTENCES = {  # of lies that several checks would refuse: what is said is the first of them
    "count": "count = 8, but its shards hold 7 samples",
    "grey": "dtype = 'uint8' with the shape (8, 8, 1)",
    "flat": "dtype = 'uint8' with the shape (64, 3)",
    "point": "dtype = 'uint8' with the shape (8,)",
    "dtype": "dtype = 'float32' with the shape (64, 64, 3)",
    "packed": "encoding = 'webp' of uint8, offsets None",
    "offsets": f"encoding = 'raw' of uint8, offsets {'0' * 64}",
    "unlabelled": "labelled = False with 12 classes",
    "no classes": "labelled = True with 0 classes",
    "swapped": "shards.0.name = 'toys-train-000002.tar', expected 'toys-train-000000.tar'",
    "stride": "shards.0.stride = 512, expected ",
    "bytes": "shards.0.bytes = 20480, expected ",
    "one more": "shards.0.bytes = ",
}


@pytest.mark.parametrize("lie", SENTENCES)
def test_a_lie_is_told_by_what_it_contradicts(tmp_path, lie):
    make(tmp_path, side=64)
    change(tmp_path, LIES[lie])
    refused(tmp_path, f"index.json: {SENTENCES[lie]}", f"--repair {tmp_path}/index.json`")


def test_points_are_never_packed(tmp_path):
    make(tmp_path, encoding="webp")
    change(tmp_path, lambda index: index.update(dtype="float32", shape=[8]))
    refused(tmp_path, "index.json: encoding = 'webp' of float32, offsets ")


def with_offsets(folder, offsets):
    """Puts other offsets beside packed shards, with an index that is true of them."""
    np.save(folder / "offsets.npy", offsets)
    digest = hashlib.sha256((folder / "offsets.npy").read_bytes()).hexdigest()
    change(folder, lambda index: index.update(offsets=digest))


def test_offsets_are_whole_and_of_these_samples(tmp_path):
    make(tmp_path, encoding="webp")
    path = tmp_path / "offsets.npy"
    offsets = np.load(path)
    for wrong in (offsets[:-1], offsets.astype(np.int32), offsets - 512, offsets[:, None]):
        with_offsets(tmp_path, wrong)
        refused(tmp_path, f"{path}: holds {wrong.dtype} {wrong.shape}, expected int64 (7,)")
    with_offsets(tmp_path, offsets)
    assert Shards(tmp_path).count == 7
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    refused(tmp_path, f"{path}: altered: has the sha256 ", "verify --repair")
    path.unlink()
    refused(tmp_path, f"{path}: missing, but listed in index.json")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"7", b"null", b"\xff\xfe", b"[" * 100_000, b'{"count": ' * 50_000, b"1" * 5000]
)
def test_an_index_that_is_none_is_refused(tmp_path, content):
    make(tmp_path)
    (tmp_path / "index.json").write_bytes(content)
    refused(tmp_path, "index.json")


def test_absent_files(tmp_path):
    refused(tmp_path, "index.json", "dvc repro")
    make(tmp_path)
    (tmp_path / "toys-train-000001.tar").unlink()
    refused(tmp_path, "toys-train-000001.tar", "missing")


@pytest.mark.parametrize("cut", [1, 512, 10_000])
def test_a_truncated_shard_is_refused_at_once(tmp_path, cut):
    make(tmp_path)
    shard = tmp_path / "toys-train-000002.tar"
    shard.write_bytes(shard.read_bytes()[:-cut])
    refused(tmp_path, shard, "expected")


@pytest.mark.parametrize("position", [0, 130, 300, 512 + 20])  # name, size, owner, npy header
def test_a_shard_of_something_else_is_refused_at_once(tmp_path, position):
    make(tmp_path, labelled=False)
    shard = tmp_path / "toys-train-000001.tar"
    content = bytearray(shard.read_bytes())
    content[position] ^= 1
    shard.write_bytes(content)
    refused(tmp_path, shard, "its sample 0 is not a .npy of uint8 (8, 8, 3)")


def test_verify_names_the_altered_shard(tmp_path):
    make(tmp_path)
    shard = tmp_path / "toys-train-000001.tar"
    content = bytearray(shard.read_bytes())
    content[5800] ^= 1  # a pixel
    shard.write_bytes(content)
    opened = Shards(tmp_path)
    with pytest.raises(UserError) as caught:
        opened.verify()
    assert str(shard) in str(caught.value) and hashlib.sha256(content).hexdigest() in str(caught.value)


@pytest.mark.parametrize("digits", [b"12", b"-1", b"x", b"\xff", b"1" * 30, b"", b"1e3"])
def test_a_label_out_of_range_is_refused(tmp_path, digits):
    make(tmp_path)
    shard = tmp_path / "toys-train-000000.tar"
    content = bytearray(shard.read_bytes())
    content[512:1024] = digits.ljust(512, b"\0")
    shard.write_bytes(content)
    with pytest.raises(UserError, match="label"):
        Shards(tmp_path).labels(np.arange(3))


@pytest.mark.parametrize("digits", [b"12", b"-1", b"x", b"\xff"])
def test_a_label_that_changes_after_the_shards_were_opened_is_refused(tmp_path, digits):
    make(tmp_path)
    opened = Shards(tmp_path)
    assert opened.labels(np.arange(0)).shape == (0,)
    with (tmp_path / "toys-train-000000.tar").open("r+b") as file:
        file.seek(512)
        file.write(digits.ljust(512, b"\0"))
    with pytest.raises(
        UserError, match=r"holds a label that is not in 0\.\.11; run `python -m ganflow verify --repair"
    ):
        opened.labels(np.arange(3))
    assert opened.labels(np.arange(1, 3)).tolist() == [5, 10]


@pytest.mark.parametrize("threads", [1, 2])
def test_packed_images_are_decoded_by_as_many_threads_as_are_asked_for(tmp_path, monkeypatch, threads):
    make(tmp_path, encoding="webp")
    decode, where = reader.decode_webp, set()
    monkeypatch.setattr(reader, "decode_webp", lambda *about: (where.add(threading.get_ident()), decode(*about))[1])
    Shards(tmp_path, threads).samples(np.arange(7))
    here = threading.get_ident()
    assert where == {here} if threads == 1 else here not in where


def test_an_image_that_is_none_is_refused_when_its_shard_is_opened_or_when_it_is_read(tmp_path):
    make(tmp_path, encoding="webp")
    start = int(np.load(tmp_path / "offsets.npy")[1]) + 1024 + 512
    opened = Shards(tmp_path)
    for place, sample in ((start, 1), (1536, 0)):
        with (tmp_path / "toys-train-000000.tar").open("r+b") as file:
            file.seek(place)
            file.write(b"none")
        with pytest.raises(UserError, match=rf"000000.tar: sample {sample}: not a WebP of its shape \(.*--repair"):
            opened.samples(np.array([sample]))
    refused(tmp_path, "000000.tar: sample 0: not a WebP of its shape")


@pytest.mark.parametrize(
    ("soft", "hard", "allowed"),
    [(100, 4096, 263), (100, -1, 263), (100, 200, 200), (263, 4096, None), (262, 4096, 263), (-1, -1, None)],
)
def test_as_many_files_may_be_open_as_there_are_shards_and_256_more(monkeypatch, soft, hard, allowed):
    limits = []
    monkeypatch.setattr(reader.resource, "getrlimit", lambda which: (soft, hard))
    monkeypatch.setattr(reader.resource, "setrlimit", lambda which, limit: limits.append(limit))
    reader._allow_open_files(7)
    assert limits == ([(allowed, hard)] if allowed else [])


def test_a_shard_that_cannot_be_opened_is_told_with_the_limit(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    make(tmp_path)
    asked = []
    monkeypatch.setattr(reader, "_allow_open_files", asked.append)
    Shards(tmp_path)
    assert asked == [3]
    monkeypatch.setattr(reader.mmap, "mmap", refuse)
    refused(
        tmp_path, "000000.tar: can't be opened (Too many open files); raise `ulimit -n` or the dataset's shard_size"
    )


def test_headers_are_looked_at_before_an_image_is_decoded(tmp_path):
    make(tmp_path, encoding="webp")
    with (tmp_path / "toys-train-000000.tar").open("r+b") as file:
        for place in (1024 + 300, 1536):  # the owner of the first image, and the image
            file.seek(place)
            file.write(b"none")
    refused(tmp_path, "000000.tar: its sample 0 is not a .webp")


def packed(members):
    """A tar of (name, content)."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def with_content(members, at, content):
    return [*members[:at], (members[at][0], content), *members[at + 1 :]]


def swapped(members, at):
    return [*members[:at], members[at + 1], members[at], *members[at + 2 :]]


FORGED = {  # of the members of a shard: those of sample i are 2 i, its label, and 2 i + 1
    "a label is missing": lambda m: m[:4] + m[5:],
    "an image is missing": lambda m: m[:5] + m[6:],
    "a label in words": lambda m: with_content(m, 4, b"ten"),
    "a label of no class": lambda m: with_content(m, 4, b"12"),
    "a negative label": lambda m: with_content(m, 4, b"-1"),
    "a label with a blank": lambda m: with_content(m, 4, b" 3"),
    "a label with a zero before it": lambda m: with_content(m, 4, b"03"),
    "a label and more": lambda m: with_content(m, 4, b"3" + b"\0" * 20 + b"4"),
    "an image before its label": lambda m: swapped(m, 4),
    "a third member": lambda m: [*m[:5], (m[4][0].replace("cls", "json"), b"{}"), *m[5:]],
    "a sample twice": lambda m: m[:6] + m[4:6] + m[8:],
    "samples in another order": lambda m: m[:4] + m[6:8] + m[4:6] + m[8:],
    "another sample's label": lambda m: with_content(m, 4, m[4][1])[:4] + [m[6]] + m[5:],
    "a member after the last": lambda m: [*m, ("more", b"x")],
}


def forge(folder, members):
    """Replaces the first shard by one of these members, with an index that is true of it."""
    content = packed(members)
    (folder / "toys-train-000000.tar").write_bytes(content)
    places = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            places.setdefault(member.name.partition(".")[0], member.offset)
    index = json.loads((folder / "index.json").read_text())
    count = index["shards"][0]["count"]
    if index["offsets"]:
        starts = [*places.values(), *[0] * count][:count]
        rest = np.load(folder / "offsets.npy")[count:]
        np.save(folder / "offsets.npy", np.concatenate([np.array(starts, "<i8"), rest]))
        index["offsets"] = hashlib.sha256((folder / "offsets.npy").read_bytes()).hexdigest()
    index["shards"][0] |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "index.json").write_text(json.dumps(index))


@pytest.mark.parametrize("encoding", ["raw", "webp"])
def test_forged_shards_with_a_true_index_are_refused(tmp_path, encoding):
    """The exhaustive list: each way to forge a shard is named when it is opened, and the shard itself still opens."""
    make(tmp_path / "good", count=10, shard_size=6, encoding=encoding)
    with tarfile.open(tmp_path / "good/toys-train-000000.tar") as archive:
        members = [(member.name, archive.extractfile(member).read()) for member in archive]
    shutil.copytree(tmp_path / "good", tmp_path / "same")
    forge(tmp_path / "same", members)
    Shards(tmp_path / "same").verify()
    for name, forged in FORGED.items():
        folder = tmp_path / name
        shutil.copytree(tmp_path / "good", folder)
        forge(folder, forged(members))
        with pytest.raises(UserError) as caught:
            Shards(folder)
        assert re.search(r"000000\.tar: (its sample \d is not|does not end)|shards\.0\.bytes", str(caught.value)), name


def test_an_image_of_another_shape_is_refused(tmp_path):
    make(tmp_path)
    with tarfile.open(tmp_path / "toys-train-000000.tar") as archive:
        members = [(member.name, archive.extractfile(member).read()) for member in archive]
    other = io.BytesIO()
    np.save(other, np.zeros((4, 16, 3), np.uint8))
    forge(tmp_path, with_content(members, 3, other.getvalue()))
    refused(tmp_path, "000000.tar: its sample 1 is not a .npy of uint8 (8, 8, 3)")


def test_keys_ascend_from_shard_to_shard(tmp_path):
    make(tmp_path, count=6)
    one, two = (tmp_path / f"toys-train-00000{number}.tar" for number in range(2))
    content = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(content)
    refused(tmp_path, "000001.tar: its sample 0 is not")


def test_what_is_not_there_cannot_be_read(tmp_path):
    make(tmp_path, labelled=False)
    opened = Shards(tmp_path)
    for wrong in ([7], [-1], [0, 10**12]):
        with pytest.raises(IndexError, match=r"indices must be in 0\.\.6"):
            opened.samples(np.array(wrong))
    with pytest.raises(UserError, match="no labels"):
        opened.labels(np.arange(2))


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


# ---- the order


@given(count=st.integers(1, 50), seed=st.integers(0, 99), epoch=st.integers(0, 99))
def test_an_epoch_holds_every_image_once(count, seed, epoch):
    assert sorted(order(count, seed, epoch)) == list(range(count))


@given(
    count=st.integers(1, 30), seed=st.integers(0, 9), position=st.integers(0, 200), sizes=st.lists(st.integers(0, 70))
)
def test_the_stream_is_one_however_it_is_cut(count, seed, position, sizes):
    whole = batch_indices(count, seed, position, sum(sizes))
    parts, here = [np.empty(0, np.int64)], position
    for size in sizes:
        parts.append(batch_indices(count, seed, here, size))
        here += size
    assert whole.dtype == np.int64 and len(whole) == sum(sizes)
    assert np.array_equal(whole, np.concatenate(parts))
    first = -position % count
    for epoch in range((len(whole) - first) // count):
        assert sorted(whole[first + epoch * count :][:count]) == list(range(count))


@pytest.mark.parametrize(("count", "position", "size"), [(0, 0, 1), (7, -1, 1), (7, 0, -1)])
def test_a_stream_of_nothing_or_of_the_past_is_refused(count, position, size):
    with pytest.raises(ValueError, match=f"count = {count}, position = {position}, size = {size}: negative, or no"):
        batch_indices(count, 0, position, size)
    assert batch_indices(1, 0, 0, 0).dtype == np.int64 and not batch_indices(1, 0, 0, 0).size


def test_an_order_is_for_all_who_ask_and_nobody_may_change_it():
    with pytest.raises(ValueError, match="read-only"):
        order(7, 0, 0)[0] = 1


def test_orders_differ_by_seed_and_epoch_and_are_for_ever():
    assert batch_indices(10, 0, 0, 10).tolist() == [0, 4, 8, 6, 1, 5, 9, 7, 3, 2]
    assert len({tuple(order(100, seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9
    assert order.cache_info().maxsize == 2
    with pytest.raises(ValueError):
        order(10, 0, 0)[0] = 1
    for wrong in ((0, 0, 0, 1), (5, 0, -1, 1), (5, 0, 0, -1)):
        with pytest.raises(ValueError):
            batch_indices(*wrong)


def test_data_needs_no_torch():
    program = (
        "import pkgutil, importlib, sys, ganflow.data as d;"
        "[importlib.import_module(m.name) for m in pkgutil.walk_packages(d.__path__, 'ganflow.data.')];"
        "assert 'ganflow.data.scenes.objects' in sys.modules; assert 'torch' not in sys.modules"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(reader.__file__).parents[2])}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
