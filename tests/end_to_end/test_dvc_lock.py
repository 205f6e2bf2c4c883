"""What a DVC that was killed while it wrote leaves cut off is mended, and nothing is computed again."""

import fcntl
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from repository import ran

from ganflow.stages.cli import main

LOCK = Path("dvc.lock")
pytestmark = pytest.mark.slow
MEND = "python -m ganflow runs"


def left_alone_while_dvc_writes(clone, busy: str) -> bool:
    with (clone.folder / ".dvc/tmp" / busy).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        return clone.run(MEND).stderr == ""


@pytest.mark.parametrize(("committed", "left"), [(False, 0), (True, 2500)])
def test_a_dvc_lock_cut_off_by_a_kill_costs_no_computation(reproduced, committed, left):
    clone = reproduced("clone")
    expected, lock = clone.digests(), clone.folder / "dvc.lock"
    if committed:
        clone.run("git add --all && git commit --quiet --message results")
        clone.edit("params.yaml", "lr: 1.0e-4", "lr: 2.0e-4")
        clone.run("dvc repro")
        expected = clone.digests()
    lock.write_bytes(lock.read_bytes()[:left])
    refused = clone.run("dvc repro", check=False)
    assert refused.returncode != 0 and "dvc.lock" in refused.stderr + refused.stdout
    assert left_alone_while_dvc_writes(clone, "lock")
    told = clone.run(MEND).stderr
    assert told.startswith("ganflow: dvc.lock: cut off") and ("last commit" in told) is committed
    assert not ran(clone.run("dvc repro").stdout)
    assert clone.digests() == expected
    assert clone.run(MEND).stderr == ""


@pytest.mark.parametrize("left", ["", '{"write": {"'])
def test_a_list_of_readers_cut_off_by_a_kill_is_removed(clone, left):
    clone.run("dvc repro --quiet plan")
    clone.edit("params.yaml", "lr: 1.0e-4", "lr: 2.0e-4")  # so that DVC has something to run, and reads the list
    (clone.folder / ".dvc/tmp/rwlock").write_text(left)
    refused = clone.run("dvc repro plan", check=False)
    assert refused.returncode != 0 and "JSON structure is corrupted" in refused.stderr + refused.stdout
    assert left_alone_while_dvc_writes(clone, "rwlock.lock")
    assert clone.run(MEND).stderr.startswith("ganflow: .dvc/tmp/rwlock: cut off")
    assert ran(clone.run("dvc repro plan").stdout) == {"plan"}
    assert clone.run(MEND).stderr == ""


@pytest.fixture
def committed(reproduced, monkeypatch):
    """A clone with the tiny experiment, made and committed, as the current folder."""
    clone = reproduced("clone")
    clone.run("git add --all && git commit --quiet --message results")
    monkeypatch.chdir(clone.folder)
    return clone


def said(capfd, command: str, code: int) -> str:
    """What a command says, in this process, which has the clone's sources."""
    capfd.readouterr()
    assert main([command]) == code
    return "".join(capfd.readouterr())


def test_every_command_names_a_damaged_lock_and_its_cure(committed, capfd):
    whole = LOCK.read_bytes()
    equal = said(capfd, "verify", 0)
    for damaged in (b"", whole[: len(whole) // 2 + 1], whole[:-2], b"[]\n", whole.replace(b"schema", b"schemb")):
        for command, code in (("verify", 1), ("status", 0), ("accept", 2)):
            LOCK.write_bytes(damaged)
            told = said(capfd, command, code)
            assert "dvc.lock: cut off or damaged" in told and "run `python -m ganflow runs`" in told, told
            if command == "verify":  # and all else was checked
                assert told.splitlines()[-1] == equal.splitlines()[-1].replace("all equal", "1 differ")
    assert "restored from the last commit" in said(capfd, "runs", 0) and LOCK.read_bytes() == whole
    assert said(capfd, "verify", 0) == equal


def test_a_lock_that_lacks_stages_is_not_verified_as_all_equal(committed, capfd):
    lines = LOCK.read_text().splitlines(keepends=True)
    starts = [index for index, line in enumerate(lines) if line.startswith("  ") and line[2].isalpha()]
    LOCK.write_text("".join(lines[: starts[len(starts) // 2]]))
    told = said(capfd, "verify", 1)
    missing = len(starts) - len(starts) // 2
    assert told.count("is not in dvc.lock; run `dvc repro`, which records it") == missing
    assert not ran(committed.run("dvc repro").stdout)
    assert said(capfd, "verify", 0).endswith("all equal\n")


def test_a_lock_of_ten_thousand_stages_is_verified(committed, capfd):
    lock = LOCK.read_text()
    [entry] = re.findall(r"^  train@rendered_objects-wgan_gp-0:\n(?:    .*\n)+", lock, re.MULTILINE)
    more = (
        entry.replace("wgan_gp-0:", f"wgan_gp-{k}:").replace("/wgan_gp/0", f"/wgan_gp/{k}") for k in range(1, 10_001)
    )
    LOCK.write_text(lock + "".join(more))
    assert LOCK.stat().st_size > 4 << 20
    assert said(capfd, "verify", 0).endswith("all equal\n")
    assert said(capfd, "status", 0).endswith("checks every byte\n")


def test_the_cure_of_a_merge_conflict_ends_it(committed, capfd):
    committed.run("git checkout --quiet -b other")
    committed.edit("params.yaml", "lr: 1.0e-4", "lr: 2.0e-4")
    committed.run("dvc repro train && git commit --quiet --all --message other && git checkout --quiet -")
    committed.run("dvc checkout --quiet")
    committed.edit("params.yaml", "lr: 1.0e-4", "lr: 3.0e-4")
    committed.run("dvc repro train && git commit --quiet --all --message ours")
    assert committed.run("git merge other", check=False).returncode
    committed.run("git checkout --ours params.yaml")
    for command, code in (("verify", 1), ("status", 0), ("accept", 2), ("runs", 2)):
        assert "dvc.lock: has a merge conflict; run `git checkout --ours dvc.lock`" in said(capfd, command, code)
    committed.run("git checkout --ours dvc.lock")
    assert "train@rendered_objects-wgan_gp-0" not in ran(committed.run("dvc repro").stdout)
    committed.run("git add dvc.lock params.yaml && git commit --quiet --message merged")
    assert said(capfd, "verify", 0).endswith("all equal\n")


def test_snakemake_says_why_dvc_refuses_and_that_it_restored(clone):
    """An output that a living process writes or reads; then it is lost, and restored."""
    target = "data/raw/rendered_objects"
    snakemake = f"snakemake --cores 2 --quiet all -- {target}"
    clone.run(f"dvc repro plan download@rendered_objects && rm -r {target}")
    holder = {"pid": os.getpid(), "cmd": "dvc repro elsewhere"}
    readers, log = clone.folder / ".dvc/tmp/rwlock", clone.folder / "logs/download/rendered_objects.log"
    busy = f"is busy, it is being blocked by:\n  (PID {os.getpid()}): dvc repro elsewhere"
    readers.write_text(json.dumps({"write": {str(clone.folder / target): holder}}))  # which DVC asks when planning
    refused = clone.run(snakemake, check=False)
    assert refused.returncode and busy in refused.stderr and "Traceback" not in refused.stderr
    readers.write_text(json.dumps({"read": {str(clone.folder / target): [holder]}}))  # and in the job
    refused = clone.run(snakemake, check=False)
    assert refused.returncode and busy in refused.stderr and busy in log.read_text()
    readers.unlink()
    restored = "Stage 'download@rendered_objects' is cached - skipping run"
    assert restored in clone.run(snakemake).stderr and restored in log.read_text()


def test_what_neither_the_lock_nor_the_run_cache_knows_is_recorded_by_its_manifests(reproduced, monkeypatch, capfd):
    clone = reproduced("clone")
    monkeypatch.chdir(clone.folder)
    expected = clone.digests()
    shutil.rmtree(".dvc/cache/runs")
    LOCK.write_bytes(b"")
    assert "`python -m ganflow accept` records it by its manifests" in said(capfd, "runs", 0) and not LOCK.exists()
    journal = next(Path("results/tiny/runs").rglob("journal.csv"))
    whole = journal.read_bytes()
    journal.write_bytes(whole + b"\n")
    assert f"{journal} has {len(whole) + 1} bytes, expected {len(whole)}; nothing" in said(capfd, "accept", 1)
    assert not LOCK.exists()
    journal.write_bytes(whole)
    assert "17 units accepted; commit dvc.lock" in said(capfd, "accept", 0)
    assert not ran(clone.run("dvc repro").stdout) and clone.digests() == expected
