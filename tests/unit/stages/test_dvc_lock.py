"""dvc.lock as text: what DVC wrote is read at any size, and what is cut off, damaged or hostile is not."""

import random
import time

import pytest

from ganflow.errors import UserError
from ganflow.stages import dvc_lock
from ganflow.stages.dvc_lock import locked

ENTRY = """  train@objects-wgan-{0}:
    cmd: python -m ganflow train objects wgan {0}
    params:
      build/plan.json:
        units.train.objects.wgan.{0}:
          eabe5bb07070390a17959e75b455fa03a02f6ec02826ed554107b437c1657828
      params.yaml:
        seeds: [0, 1]
        variants: {{}}
    outs:
    - path: results/quickstart/runs/objects/wgan/{0}
      hash: md5
      md5: '12345678901234567890123456789012.dir'
      size: 61695346
      nfiles: 36
"""


def lock(stages: int) -> bytes:
    return ("schema: '2.0'\nstages:\n" + "".join(map(ENTRY.format, range(stages)))).encode()


def read(content: bytes) -> dict:
    return locked(content, "dvc.lock", "mend it")


def test_a_lock_is_read_as_dvc_writes_it():
    [entry] = read(lock(1)).values()
    assert entry["outs"][0] | {"path": "results/quickstart/runs/objects/wgan/0"} == entry["outs"][0]
    assert entry["outs"][0]["md5"] == "12345678901234567890123456789012.dir"
    assert entry["params"]["build/plan.json"]["units.train.objects.wgan.0"].startswith("eabe5bb0")
    assert entry["params"]["params.yaml"] == {"seeds": ["0", "1"], "variants": {}}


@pytest.mark.slow
def test_a_lock_of_ten_thousand_stages_is_read_in_seconds():
    content, start = lock(10_000), time.process_time()
    assert len(content) > 4 << 20
    assert len(read(content)) == 10_000
    assert time.process_time() - start < 20


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"schema: '2.0'\nstages: []\n",
        b"schema: '3.0'\n",
        b"[]\n",
        b"\xff\xfe",
        b"[" * 1_000_000,
        b"- " * 100_000,
        b"{a: " * 100_000,
        b"schema: '2.0'\nstages: &a\n  b: *a\n",
        lock(2).replace(b"train@objects-wgan-1", b"train@objects-wgan-0"),
        lock(1).replace(b"    - path", b"    - paths"),
        lock(1) + b"<<<<<<< HEAD\n",
    ],
)
def test_what_dvc_does_not_write_is_refused(content):
    with pytest.raises(UserError, match=r"^dvc.lock: cut off or damaged.*; mend it$"):
        read(content)


def test_a_lock_cut_at_any_byte_is_seen_but_between_stages():
    """Cut after a whole stage it is a lock that records less, as `verify` says of what it lacks."""
    content, draw = lock(3), random.Random(0)
    for length in {*range(0, 400), *draw.sample(range(400, len(content) - 1), 200)}:
        cut = content[:length]
        if dvc_lock._is_whole_lock(cut):
            assert cut.endswith(b"\n")
            for entry in read(cut).values():
                assert len(entry["outs"][0]["md5"]) == 36


def test_a_file_larger_than_any_lock_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open("dvc.lock", "wb") as file:
        file.truncate(10 << 30)
    with pytest.raises(UserError, match="more than any lock has; restore it"):
        dvc_lock.recorded_by_dvc()
