"""Opening shards: an index, a shard or a label that is not what it should be is refused by what it contradicts."""

import errno
import hashlib
import json
import os
import threading

import numpy as np
import pytest
from small_shards import make, refused

from ganflow.data import reader
from ganflow.data.reader import Shards
from ganflow.errors import UserError


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


class Calling:
    """An object whose pickle creates a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_offsets_are_whole_and_of_these_samples(tmp_path):
    make(tmp_path, encoding="webp")
    path = tmp_path / "offsets.npy"
    offsets = np.load(path)
    for wrong in (offsets[:-1], offsets.astype(np.int32), offsets - 512, offsets[:, None]):
        with_offsets(tmp_path, wrong)
        refused(tmp_path, f"{path}: holds {wrong.dtype} {wrong.shape}, expected int64 (7,)")
    with_offsets(tmp_path, np.array([Calling(tmp_path / "called")] * 7, object))
    refused(tmp_path, f"{path}: holds no array of numbers")
    assert not (tmp_path / "called").exists()
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
