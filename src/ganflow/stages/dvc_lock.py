"""dvc.lock: the outputs that DVC recorded, how it digests a folder, and what a killed DVC left cut off."""

import fcntl
import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ganflow.artifacts import write_file
from ganflow.params_file import read_yaml
from ganflow.progress import log

LOCK = Path("dvc.lock")
BUSY = Path(".dvc/tmp/lock")  # DVC holds it while it writes dvc.lock
READERS = Path(".dvc/tmp/rwlock")
READERS_BUSY = Path(".dvc/tmp/rwlock.lock")


def recorded_by_dvc() -> dict[str, str]:
    """{path: md5} of the outputs in dvc.lock."""
    stages = read_yaml(LOCK).get("stages", {}) if LOCK.exists() else {}
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", ())}


def mend() -> None:
    """Mends the two files that a DVC killed while it writes them leaves empty or cut off, and then refuses to read.

    dvc.lock is restored to the last commit's, or removed if that has none: what it lacks DVC takes from its run cache.
    The list of who reads and writes which file is removed: of a killed DVC it means nothing.
    """
    _mend(LOCK, BUSY, _is_whole_lock, _restore)
    _mend(READERS, READERS_BUSY, _is_json, _remove_readers)


def _mend(file: Path, busy: Path, whole: Callable[[bytes], bool], cure: Callable[[], str]) -> None:
    with suppress(FileNotFoundError, BlockingIOError), _unless_dvc_writes(busy):
        if not whole(file.read_bytes()):
            done = cure()
            log(f"ganflow: {file}: cut off, as DVC leaves it if it is killed while it writes; {done}")


def _restore() -> str:
    try:
        committed = subprocess.run(["git", "show", f"HEAD:./{LOCK}"], capture_output=True).stdout
    except FileNotFoundError:
        committed = b""
    if _is_whole_lock(committed):
        write_file(LOCK, committed)
        return "restored from the last commit; DVC finds what came later in its run cache"
    LOCK.unlink()
    return "removed; DVC finds what is done in its run cache"


def _remove_readers() -> str:
    READERS.unlink()
    return "removed; DVC writes it anew"


@contextmanager
def _unless_dvc_writes(busy: Path) -> Iterator[None]:
    """Holds one of DVC's own locks; raises BlockingIOError if another process has it."""
    if not busy.is_file():
        yield
        return
    with busy.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _is_whole_lock(lock: bytes) -> bool:
    return lock.startswith(b"schema:") and lock.endswith(b"\n")


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


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
