"""What a DVC that was killed while it wrote leaves cut off is mended, and nothing is computed again."""

import fcntl

import pytest
from repository import ran

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
    said = clone.run(MEND).stderr
    assert said.startswith("ganflow: dvc.lock: cut off") and ("last commit" in said) is committed
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
