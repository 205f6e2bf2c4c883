"""What killed and older runs have left in build/scratch and beside the outputs, and nothing will use again.

Kept is what a unit that is to be done may go on from, what it was made of, and all that belongs to a running process.
Links are not followed, and what has no name of a scratch folder is not touched.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple

from ganflow.artifacts import SCRATCH, digest_value, read_json, remove
from ganflow.config import Choice
from ganflow.errors import UserError
from ganflow.evaluation.interfaces import extractor_of
from ganflow.locks import held, holder
from ganflow.stages.execution import LOCKS, WHOSE, fingerprint, lock_path
from ganflow.stages.graph import STAGES
from ganflow.stages.units import Unit

NAME = re.compile(r"[0-9a-f]{32}")  # of a scratch folder
DIGEST = re.compile(r"[0-9a-f]{64}")
RECOMPUTE = SCRATCH / "recompute"


class Leftover(NamedTuple):
    """A folder that is needed no more, the bytes that its deletion frees, why, and the locks of its writers."""

    path: Path
    bytes: int
    why: str
    locks: tuple[Path, ...]

    def delete(self) -> None:
        """Deletes it; raises UserError if a process has begun to use it."""
        with ExitStack() as writing:
            for lock in self.locks:
                writing.enter_context(held(lock, str(self.path), patience=0))
            remove(self.path)
            self.path.with_suffix(".lock").unlink(missing_ok=True)


def leftovers(known: list[Unit], done: set[Path]) -> list[Leftover]:
    """The leftovers beside an experiment's units, of which those with an output in `done` are done."""
    found = [*_in_scratch(known, done), *_beside_outputs(known)]
    return [
        Leftover(path, size, why, locks)
        for (path, why, locks), size in zip(found, _freed([path for path, *_ in found]), strict=True)
    ]


def _in_scratch(known: list[Unit], done: set[Path]) -> Iterator[tuple[Path, str, tuple[Path, ...]]]:
    to_do = [unit for unit in known if unit.output not in done]
    read = {folder for unit in to_do for folder in unit.inputs}
    needed = [unit for unit in known if unit in to_do or unit.output in read]
    kept = {name for unit in needed for name in _names(unit)} | {_named_by(folder) for folder in read}
    unknown = {unit.stage for unit in needed if _fingerprint(unit) is None}
    by_name = {str(unit): unit for unit in known}
    running = any(holder(lock) for lock in LOCKS.glob("*.lock"))
    for path in sorted(SCRATCH.glob("*/*")):
        stage, own = path.parent, path.with_suffix(".lock")
        if path.suffix or stage.is_symlink() or path.name in kept or holder(own):
            continue
        if stage == RECOMPUTE:
            unit_lock = LOCKS / f"{path.name}.lock"
            if not holder(unit_lock) and not holder(path / unit_lock):
                yield path, "left by a killed `verify --rerun` or `accept`", (unit_lock,)
        elif not NAME.fullmatch(path.name):
            continue
        elif whose := _whose(path):
            name, digest = whose
            lock = LOCKS / f"{name.replace(' ', '-')}.lock"
            unit = by_name.get(name)
            same = unit is not None and unit.digest == digest
            if holder(lock) or (same and unit in needed and unit.stage in unknown and _fingerprint(unit) is None):
                continue
            yield path, _reason(name, unit, same, unit in needed), (lock, own)
        elif not running and stage.name not in unknown:
            yield path, "of no unit of params.yaml that is to be done", (own,)


def _reason(name: str, unit: Unit | None, same: bool, needed: bool) -> str:
    if unit is None:
        return f"{name} is not in params.yaml"
    if not same:
        return f"{name} with other parameters, code or versions"
    return f"{name} with other inputs" if needed else f"{name} is done"


def _beside_outputs(known: list[Unit]) -> Iterator[tuple[Path, str, tuple[Path, ...]]]:
    """What a killed stage was filling, and old outputs whose place has been taken, for these units and for others."""
    by_output = {unit.output: unit for unit in known}
    running = any(holder(lock) for lock in LOCKS.glob("*.lock"))
    tops = {stage.folder("*", *("*" for _ in stage.axes)).parent for stage in STAGES.values()}
    for path in sorted({path for top in tops for path in Path().glob(f"{top.as_posix()}/.*")}):
        output, suffix = path.with_name(path.stem[1:]), path.suffix
        unit = by_output.get(output)
        lock = (lock_path(unit),) if unit else ()
        if path.is_symlink() or not path.is_dir() or (holder(lock[0]) if lock else running):
            continue
        if suffix == ".partial":
            yield path, "left by a killed stage that was filling it", lock
        elif suffix == ".old" and output.exists():
            yield path, f"an older {output}", lock


def _names(unit: Unit) -> Iterator[str]:
    """The names of scratch folders that a unit may use: by its fingerprint, by the folder that it fills, and by the
    digests and addresses of its downloads."""
    if found := _fingerprint(unit):
        yield found[:32]
    yield _named_by(unit.output.with_name(f".{unit.output.name}.partial"))
    for value in _values(unit.parameters):
        if isinstance(value, str) and DIGEST.fullmatch(value):
            yield value[:32]
        yield digest_value(value if isinstance(value, list) else [value])[:32]
    if (chosen := unit.parameters.get("extractor")) and (literature := extractor_of(Choice(**chosen)).literature):
        yield literature[:32]


def _named_by(archives: Path) -> str:
    """The name of the scratch folder of a format, by the folder of its archives."""
    return digest_value(archives.as_posix())[:32]


def _values(parameters: Any) -> Iterator[Any]:
    """All values in nested parameters, lists of texts as such too."""
    inside = parameters.values() if isinstance(parameters, dict) else parameters if isinstance(parameters, list) else ()
    if not isinstance(parameters, dict):
        yield parameters
    for value in inside:
        yield from _values(value)


def _fingerprint(unit: Unit) -> str | None:
    """The fingerprint of a unit; None while an input is not finished."""
    with suppress(UserError):
        return fingerprint(unit)
    return None


def _whose(folder: Path) -> tuple[str, str] | None:
    """The name and digest of the unit that a scratch folder says it is of."""
    with suppress(UserError, OSError):
        about = read_json(folder / WHOSE)
        if isinstance(about, dict) and re.fullmatch(r"[a-z0-9_]+( [a-z0-9_]+)*", str(about.get("unit"))):
            return about["unit"], str(about.get("digest"))
    return None


def _freed(paths: Iterable[Path]) -> list[int]:
    """The bytes that deleting some folders one after another frees: those of files without links elsewhere."""
    left: Counter[tuple[int, int]] = Counter()
    sizes = []
    for path in paths:
        size = 0
        for file in path.rglob("*"):
            about = file.lstat()
            left[about.st_dev, about.st_ino] += 1
            if file.is_symlink() or file.is_dir() or left[about.st_dev, about.st_ino] < about.st_nlink:
                continue
            size += about.st_size
        sizes.append(size)
    return sizes
