"""Writing shards: resumed after kills without redoing what is finished; raw and packed pixels; the filters."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from damage import DAMAGE, cut
from PIL import Image
from repository import TOP
from slow_shards import ABOUT, write
from small_shards import arrays, deadly, exhausting, make, refused

from ganflow import artifacts
from ganflow.data import shards
from ganflow.data.decoding import center_crop_resize
from ganflow.data.interfaces import Sample
from ganflow.data.reader import Shards
from ganflow.data.writing import write_shards
from ganflow.errors import UserError

SOURCE = str(Path(shards.__file__).parents[2])


def same(one: Path, other: Path) -> bool:
    names = sorted(file.name for file in one.iterdir())
    return names == sorted(file.name for file in other.iterdir()) and all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in names
    )


PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import slow_shards
if __name__ == "__main__":
    target, calls, processes, encoding = sys.argv[2:]
    slow_shards.write(Path(target), calls=Path(calls), seconds=0.02, processes=int(processes), encoding=encoding)
"""


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "encoding"), [(1, "raw"), (1, "webp"), (2, "raw")])
def test_killed_and_resumed_gives_the_same_bytes_and_redoes_no_finished_shard(tmp_path, processes, encoding):
    expected = write(tmp_path / "expected", encoding=encoding)
    assert [left["key"] for left in expected] == ["k0", "k11", "k22", "k33"]
    (tmp_path / "program.py").write_text(PROGRAM)
    target, kept = tmp_path / "target", tmp_path / "target-kept"
    environment = os.environ | {"PYTHONPATH": SOURCE}
    for kill in range(2):
        arguments = [TOP / "tests/support", target, tmp_path / f"calls{kill}", processes, encoding]
        program = subprocess.Popen([sys.executable, tmp_path / "program.py", *map(str, arguments)], env=environment)
        while not (kept / f"{2 * kill + 1:06d}.json").exists():
            assert program.poll() is None
            time.sleep(0.002)
        workers = children(program.pid)
        program.send_signal(signal.SIGKILL)
        program.wait()
        until = time.monotonic() + 10
        while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < until:
            time.sleep(0.02)
        assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
        assert not (target / "index.json").exists()
    finished = {path: path.stat().st_mtime_ns for path in kept.glob("00000[0-3].json")}
    assert len(finished) == 4
    assert write(target, calls=tmp_path / "calls", processes=processes, encoding=encoding) == expected
    assert same(target, tmp_path / "expected")
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    asked = {int(line) for line in (tmp_path / "calls").read_text().split()}
    assert min(asked) >= 22 and 39 in asked  # four shards of five hold the samples to 21, without 0 and 11


def test_what_was_kept_is_not_trusted_blindly(tmp_path):
    write(tmp_path / "a")
    kept = tmp_path / "a-kept"
    (kept / "toys-train-000003.tar").write_bytes(b"x" * 20480)
    (kept / "000005.json").write_text("{")
    write(tmp_path / "b", calls=tmp_path / "calls")
    kept.rename(tmp_path / "c-kept")
    write(tmp_path / "c", calls=tmp_path / "calls again")
    assert same(tmp_path / "b", tmp_path / "c")
    assert min(int(line) for line in (tmp_path / "calls again").read_text().split()) == 17


@pytest.mark.slow
def test_every_damaged_file_of_a_killed_writer_is_noticed_and_the_shards_are_equal(tmp_path, capsys, monkeypatch):
    """Nine kinds of damage to each record and shard of a writer that was killed after six of eight shards."""
    monkeypatch.setattr(artifacts, "_sync", lambda path: None)
    expected = write(tmp_path / "expected")
    kept, target = tmp_path / "expected-kept", tmp_path / "again"
    for name in ("000006.json", "000007.json", "complete.json", "toys-train-000007.tar"):
        (kept / name).unlink()
    names = sorted(path.name for path in kept.iterdir())
    assert len(names) == 13
    for kind, name in itertools.product(DAMAGE, names):
        work = tmp_path / "again-kept"
        shutil.copytree(kept, work)
        DAMAGE[kind](work / name)
        moved = (work / "elsewhere").read_bytes() if kind == "link" else None
        capsys.readouterr()
        assert write(target) == expected and same(target, tmp_path / "expected"), (kind, name)
        said = [line for line in capsys.readouterr().err.splitlines() if line.startswith(str(work / name))]
        unread = name == "toys-train-000006.tar" or (kind, name) == ("delete", "000005.json")
        assert len(said) == (not unread), (kind, name)
        assert moved is None or (work / "elsewhere").read_bytes() == moved
        shutil.rmtree(work)
        shutil.rmtree(target)


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_record_of_the_end_is_noticed_and_the_samples_are_read_again(tmp_path, capsys, kind):
    expected = write(tmp_path / "a")
    (tmp_path / "a-kept").rename(tmp_path / "b-kept")
    DAMAGE[kind](tmp_path / "b-kept/complete.json")
    capsys.readouterr()
    assert write(tmp_path / "b") == expected and same(tmp_path / "a", tmp_path / "b")
    assert kind == "delete" or "complete.json " in (said := capsys.readouterr().err) and "read again" in said


def test_records_of_other_shapes_are_no_records(tmp_path, capsys):
    expected = write(tmp_path / "a")
    (tmp_path / "a-kept").rename(tmp_path / "b-kept")
    second = artifacts.read_sealed(tmp_path / "b-kept/000001.json")
    outside = {**second, "shard": {**second["shard"], "name": "../outside.tar"}}
    (tmp_path / "outside.tar").write_bytes((tmp_path / "b-kept/toys-train-000001.tar").read_bytes())
    for wrong in ([], None, {}, {**second, "seen": 10**400}, {**second, "seen": "11"}, outside):
        artifacts.write_sealed(tmp_path / "b-kept/000001.json", wrong)
        capsys.readouterr()
        assert write(tmp_path / "b") == expected and same(tmp_path / "a", tmp_path / "b")
        assert "b-kept/000001.json " in capsys.readouterr().err
        shutil.rmtree(tmp_path / "b")


def test_a_shard_written_again_leaves_what_is_linked_to_the_old_one(tmp_path):
    """A finished output may be the same file as a kept shard."""
    write(tmp_path / "a")
    kept, linked = tmp_path / "a-kept/toys-train-000002.tar", tmp_path / "a/toys-train-000002.tar"
    assert kept.samefile(linked)
    cut(kept)
    (tmp_path / "a-kept").rename(tmp_path / "b-kept")
    write(tmp_path / "b")
    assert not (tmp_path / "b-kept/toys-train-000002.tar").samefile(linked)


def test_what_ended_is_not_read_again(tmp_path):
    expected = write(tmp_path / "a")
    (tmp_path / "a-kept").rename(tmp_path / "b-kept")
    assert write(tmp_path / "b", calls=tmp_path / "calls") == expected
    assert same(tmp_path / "a", tmp_path / "b") and not (tmp_path / "calls").exists()


@pytest.mark.slow
def test_a_process_that_the_system_ended_is_told_and_the_same_command_goes_on(tmp_path):
    alive = tmp_path / "memory"

    def written(target):
        good = [Sample(f"{i:08d}", partial(np.full, (8, 8, 3), i, np.uint8), 0) for i in range(200)]
        bad = [Sample(f"{i:08d}", partial(deadly, i, alive), 0) for i in range(200, 240)]
        write_shards([*good, *bad], target, **ABOUT, processes=2, resume_folder=tmp_path / "kept")

    with pytest.raises(UserError) as caught:
        written(tmp_path / "shards")
    assert "shard toys: the system ended a process" in str(caught.value) and "want of memory" in str(caught.value)
    assert "compute.threads = 2" in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "shards/index.json").exists()
    alive.touch()  # the cure: there is memory now
    written(tmp_path / "shards")
    assert Shards(tmp_path / "shards").samples(np.arange(240))[:, 0, 0, 0].tolist() == list(range(240))


def test_want_of_memory_in_a_process_of_shards_is_told(tmp_path):
    with pytest.raises(UserError, match="shard toys: out of memory; .*compute.threads = 1 processes"):
        write_shards([Sample("00000000", exhausting, 0)], tmp_path / "shards", **ABOUT)


# ---- packed shards


@pytest.mark.filterwarnings("ignore")
def test_webdataset_and_pillow_read_packed_shards(tmp_path):
    wds = pytest.importorskip("webdataset")
    images, labels = make(tmp_path, side=16, encoding="webp")
    urls = [str(path) for path in sorted(tmp_path.glob("*.tar"))]
    found = list(wds.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    assert [sample["__key__"] for sample in found] == [f"{index:08d}" for index in range(len(images))]
    assert all(np.array_equal(sample["webp"], images[index]) for index, sample in enumerate(found))
    assert [sample["cls"] for sample in found] == labels.tolist()


def test_packed_shards_are_smaller_for_real_pictures(tmp_path):
    from ganflow.data.scenes import bedrooms

    pictures = [Sample(f"{index:08d}", partial(bedrooms.render, 0, index), None) for index in range(4)]
    about = ABOUT | {"shape": (64, 64, 3), "classes": ()}
    for encoding in ("raw", "webp"):
        write_shards(pictures, tmp_path / encoding, **about, encoding=encoding)
    raw, packed = (Shards(tmp_path / encoding) for encoding in ("raw", "webp"))
    assert np.array_equal(raw.samples(np.arange(4)), packed.samples(np.arange(4)))
    assert packed.index.shards[0].bytes < raw.index.shards[0].bytes


def test_damaged_packed_shards_are_named(tmp_path):
    make(tmp_path, side=32, encoding="webp")
    shard = tmp_path / "toys-train-000001.tar"
    content = bytearray(shard.read_bytes())
    start = Shards(tmp_path).index.shards[0].count and np.load(tmp_path / "offsets.npy")[4] + 3 * 512
    content[start : start + 64] = bytes(64)
    shard.write_bytes(content)
    opened = Shards(tmp_path)
    with pytest.raises(UserError, match="toys-train-000001.tar: sample 1: not a WebP"):
        opened.samples(np.array([0, 4]))
    with pytest.raises(UserError, match="toys-train-000001.tar: altered"):
        opened.verify()
    shard.write_bytes(content[:-512])
    refused(tmp_path, shard, "expected")
    np.save(tmp_path / "offsets.npy", np.arange(7))
    refused(tmp_path, "toys-train")
    shard.write_bytes(content)
    refused(tmp_path, "offsets.npy", "altered")
    (tmp_path / "offsets.npy").unlink()
    refused(tmp_path, "offsets.npy", "missing")


# ---- the filters


@pytest.mark.parametrize("resize", ["lanczos", "lanczos_reduced", "box"])
def test_no_filter_lets_fine_patterns_through_as_coarse_ones(resize):
    y, x = np.mgrid[:256, :256]
    fine = np.repeat((127.5 + 100 * np.sin(2 * np.pi * x * 0.47))[..., None], 3, 2)
    assert (
        center_crop_resize(Image.fromarray(fine.astype(np.uint8)), 64, resize)[:, 4:-4].std() < 10
    )  # 70 without averaging
    coarse = np.repeat((127.5 + 100 * np.sin(2 * np.pi * (x + 0.5) / 64))[..., None], 3, 2)
    small = center_crop_resize(Image.fromarray(coarse.round().astype(np.uint8)), 64, resize)[:, 4:-4, 0]
    expected = 127.5 + 100 * np.sin(2 * np.pi * (4 * (np.arange(64) + 0.5)) / 64)
    assert abs(small - expected[4:-4]).max() < 3


def test_box_is_the_mean_of_the_pixels_beneath():
    image = arrays(1, 64)[0]
    mean = image.reshape(16, 4, 16, 4, 3).mean((1, 3))
    assert abs(center_crop_resize(Image.fromarray(image), 16, "box") - mean).max() <= 0.5 + 1e-9
    wide = np.concatenate([np.zeros((64, 5, 3), np.uint8), image, np.zeros((64, 6, 3), np.uint8)], axis=1)
    assert np.array_equal(
        center_crop_resize(Image.fromarray(wide), 16, "box"), center_crop_resize(Image.fromarray(image), 16, "box")
    )
