"""dvc.lock: the outputs that DVC recorded, how it digests a folder, and what a killed DVC left cut off."""

import fcntl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import MappingStartEvent, NodeEvent, ScalarEvent, SequenceStartEvent

from ganflow.artifacts import write_file
from ganflow.config import Model
from ganflow.errors import UserError
from ganflow.params_file import checked
from ganflow.progress import log
from ganflow.serialization import parse_json
from ganflow.stages.dvc_objects import directory_object, files_of

LOCK = Path("dvc.lock")
BUSY = Path(".dvc/tmp/lock")  # DVC holds it while it writes dvc.lock
READERS = Path(".dvc/tmp/rwlock")
READERS_BUSY = Path(".dvc/tmp/rwlock.lock")
LARGEST, DEEPEST = 1 << 26, 32  # bytes, of which 10,000 stages have 6 million; levels of nesting
MENDED = "run `python -m ganflow runs`, which mends it, then `dvc repro`"
CONFLICT = (
    f"{LOCK}: has a merge conflict; run `git checkout --ours {LOCK}`, or --theirs, then `dvc repro`, which finds what "
    f"the other side did in its run cache or runs it, and `git add {LOCK}`"
)


class Out(BaseModel):
    """An output of a stage, and its digest."""

    model_config = ConfigDict(frozen=True, strict=True)

    path: str
    md5: str


class Entry(BaseModel):
    """A stage: the parameters that DVC compares, by file, and the outputs."""

    model_config = ConfigDict(frozen=True, strict=True)

    params: dict[str, dict[str, JsonValue]] = {}
    outs: list[Out] = Field(min_length=1)


class Lock(BaseModel):
    """dvc.lock; DVC writes outputs last, so what is cut off lacks some."""

    model_config = ConfigDict(frozen=True, strict=True)

    version: Literal["2.0"] = Field(alias="schema")
    stages: dict[str, Entry] = {}


class Process(Model):
    """A DVC that reads or writes files."""

    pid: int
    cmd: str


class Readers(Model):
    """DVC's list of who reads and writes which file."""

    read: dict[str, list[Process]] = {}
    write: dict[str, Process] = {}


def recorded_by_dvc() -> dict[str, str]:
    """{path: md5} of the outputs in dvc.lock; raises UserError if it is cut off, damaged, or in conflict."""
    return {out["path"]: out["md5"] for stage in locked_stages().values() for out in stage["outs"]}


def locked_stages() -> dict[str, Any]:
    """{DVC's name: entry} of the stages in dvc.lock, all scalars as text; raises UserError as `recorded_by_dvc`."""
    return locked(_content(LOCK), str(LOCK), MENDED) if LOCK.exists() else {}


def _content(path: Path) -> bytes:
    if (size := path.stat().st_size) > LARGEST:
        raise UserError(f"{path}: {size:,} bytes, more than any lock has; restore it: `git checkout {path}`")
    return path.read_bytes()


def locked(content: bytes, name: str, remedy: str) -> dict[str, Any]:
    """The stages in a dvc.lock, with all scalars as text; raises UserError, which calls it by `name`."""
    if _unmerged(content):
        raise UserError(CONFLICT)
    try:
        value = _parsed(content)
    except (YAMLError, ValueError):
        raise UserError(f"{name}: cut off or damaged (not what DVC writes); {remedy}") from None
    checked(Lock, value, file=f"{name}: cut off or damaged", remedy=remedy)
    return dict(value.get("stages", {}))


def _parsed(content: bytes) -> dict[str, Any]:
    """The mapping in a YAML text, its scalars as text. It is built from the parser's events, which for a large file
    takes a tenth of the time of a loader, and no stack that hostile nesting could exhaust."""
    if not content.endswith(b"\n"):
        raise ValueError("cut off")
    top: list[Any] = []
    open_ones: list[tuple[Any, list[Any]]] = [(top, [])]  # containers, with the key that waits for its value
    for event in YAML(typ="safe").parse(content.decode()):
        container, waiting = open_ones[-1]
        if not isinstance(event, NodeEvent):
            if type(event).__name__ in ("MappingEndEvent", "SequenceEndEvent"):
                open_ones.pop()
            continue
        value: Any
        match event:
            case ScalarEvent():
                value = event.value
            case MappingStartEvent():
                value = {}
            case SequenceStartEvent():
                value = []
            case _:
                raise ValueError("DVC writes no aliases")
        if isinstance(container, list):
            container.append(value)
        elif not waiting:
            if not isinstance(value, str) or value in container:
                raise ValueError("a key stands twice, or is no text")
            waiting.append(value)
        else:
            container[waiting.pop()] = value
        if not isinstance(value, str):
            open_ones.append((value, []))
            if len(open_ones) > DEEPEST:
                raise ValueError("nested deeper than a lock is")
    if len(top) != 1 or not isinstance(top[0], dict):
        raise ValueError("not a mapping")
    return top[0]


def mend() -> None:
    """Mends the two files that a DVC killed while it writes them leaves empty or cut off, and then refuses to read.

    dvc.lock is restored to the last commit's, or removed if that has none: what it lacks DVC takes from its run cache.
    The list of who reads and writes which file is removed: of a killed DVC it means nothing. Raises UserError for a
    dvc.lock in a merge conflict, in which only its author can choose.
    """
    _mend(LOCK, BUSY, _is_whole_lock, _restore)
    _mend(READERS, READERS_BUSY, _is_list_of_readers, _remove_readers)


def _mend(file: Path, busy: Path, whole: Callable[[bytes], bool], cure: Callable[[], str]) -> None:
    with suppress(FileNotFoundError, BlockingIOError), _unless_dvc_writes(busy):
        if not whole(_content(file)):
            done = cure()
            log(f"ganflow: {file}: cut off, as DVC leaves it if it is killed while it writes, or damaged; {done}")


def _restore() -> str:
    committed = _git("show", f"HEAD:./{LOCK}")
    if _is_whole_lock(committed):
        write_file(LOCK, committed)
        return "restored from the last commit; DVC finds what came later in its run cache"
    LOCK.unlink()
    return "removed; DVC finds what is done in its run cache, or `python -m ganflow accept` records it by its manifests"


def _git(*arguments: str) -> bytes:
    """What git prints; nothing if it fails or is absent."""
    try:
        return subprocess.run(["git", *arguments], capture_output=True).stdout
    except FileNotFoundError:
        return b""


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


def _is_whole_lock(content: bytes) -> bool:
    if _unmerged(content):
        raise UserError(CONFLICT)
    try:
        Lock.model_validate(_parsed(content))
    except (YAMLError, ValueError):  # pydantic's errors are ValueErrors
        return False
    return True


def _unmerged(content: bytes) -> bool:
    """Whether dvc.lock holds git's marks of a conflict that is not resolved."""
    return any(line.startswith(b"<<<<<<<") for line in content.splitlines()) and bool(
        _git("ls-files", "--unmerged", str(LOCK))
    )


def _is_list_of_readers(content: bytes) -> bool:
    try:
        Readers.model_validate(parse_json(content.decode()))
    except ValueError:
        return False
    return True


def dvc_digest(folder: Path) -> str:
    """DVC's md5 of a folder: of the JSON list of its files' md5s and relative paths, sorted."""
    return directory_object(files_of(folder))[0]
