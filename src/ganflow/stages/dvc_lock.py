"""dvc.lock: the outputs that DVC recorded, the digest by which it names a folder, and a lock that a killed DVC left."""

import fcntl
import hashlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ganflow.artifacts import write_file
from ganflow.params_file import read_yaml
from ganflow.progress import log

LOCK = Path("dvc.lock")
BUSY = Path(".dvc/tmp/lock")  # DVC holds it while it writes


def recorded_by_dvc() -> dict[str, str]:
    """{path: md5} of the outputs in dvc.lock."""
    stages = read_yaml(LOCK).get("stages", {}) if LOCK.exists() else {}
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", ())}


def mend() -> None:
    """Restores a dvc.lock that is empty or cut off to the last commit's, or removes it if that has none.

    DVC empties the file before it writes, so a kill at that moment leaves it so, and every DVC command then refuses it.
    What the restored one lacks DVC takes from its run cache.
    """
    with suppress(FileNotFoundError, BlockingIOError), _unless_dvc_writes():
        if not _whole(LOCK.read_bytes()):
            done = _restore()
            log(f"ganflow: {LOCK}: cut off, as DVC leaves it if it is killed while it writes; {done}")


def _restore() -> str:
    try:
        committed = subprocess.run(["git", "show", f"HEAD:./{LOCK}"], capture_output=True).stdout
    except FileNotFoundError:
        committed = b""
    if _whole(committed):
        write_file(LOCK, committed)
        return "restored from the last commit; DVC finds what came later in its run cache"
    LOCK.unlink()
    return "removed; DVC finds what is done in its run cache"


@contextmanager
def _unless_dvc_writes() -> Iterator[None]:
    """Holds DVC's own lock; raises BlockingIOError if another process has it."""
    if not BUSY.is_file():
        yield
        return
    with BUSY.open("rb") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _whole(lock: bytes) -> bool:
    return lock.startswith(b"schema:") and lock.endswith(b"\n")


def dvc_digest(folder: Path) -> str:
    """DVC's md5 of a folder: of the JSON list of its files' md5s and relative paths, sorted."""
    entries = []
    for path in folder.rglob("*"):
        if path.is_file() and path.name != ".snakemake_timestamp":
            with path.open("rb") as file:
                md5 = hashlib.file_digest(file, "md5").hexdigest()
            entries.append({"md5": md5, "relpath": path.relative_to(folder).as_posix()})
    listed = json.dumps(sorted(entries, key=lambda entry: entry["relpath"]), sort_keys=True)
    return hashlib.md5(listed.encode()).hexdigest() + ".dir"
