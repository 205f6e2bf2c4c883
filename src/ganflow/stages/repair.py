"""verify --repair: damaged outputs are put right from DVC's cache or its remotes, or made again.

A damaged file is replaced once a sound copy of it is at hand; a folder that has to be made again is put aside until it
is made. So nothing good is lost, and nothing is believed that was not read.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo

from ganflow.artifacts import MANIFEST, file_fault, read_manifest
from ganflow.config import Experiment
from ganflow.errors import UserError
from ganflow.progress import log
from ganflow.serialization import readable_json
from ganflow.stages import runs
from ganflow.stages.dvc_lock import LOCK, locked_stages, recorded_by_dvc
from ganflow.stages.dvc_objects import Objects, directory_object, files_of, md5_file
from ganflow.stages.execution import PLAN, device_of
from ganflow.stages.inputs import faults
from ganflow.stages.plan import as_tree
from ganflow.stages.published import locked_digest
from ganflow.stages.units import Unit, units

ASIDE, STRAYS = Path("build/repair"), Path("build/strays")
NOBODY = "neither the cache nor a remote has a sound copy"
SENTENCE = "ganflow: "  # how a stage tells what stopped it


def repair(experiment: Experiment, chosen: list[Unit], everything: bool) -> None:
    """Puts right the outputs of some units, which are in an order in which they can be made, and what the cache holds
    of them; with `everything`, whatever else it holds too. Prints what was wrong with each file, and what was done.

    Raises UserError if DVC can't be used here.
    """
    runs.run(experiment)
    recorded = recorded_by_dvc()
    with _dvc() as repo:
        objects = Objects(repo, print)
        lost = [unit for unit in chosen if not _put_right(unit, recorded.get(unit.output.as_posix()), objects, repo)]
        planned = _is_planned(experiment)
        if (md5 := recorded.get(PLAN.as_posix())) and not objects.sound(md5) and planned and md5_file(PLAN) == md5:
            objects.put(md5, PLAN)
        for md5 in objects.all() if everything else ():
            if not objects.sound(md5) and (remote := objects.fetch(md5)):
                print(f"cache: {md5}: taken from the remote {remote!r}")
    if not planned:
        print(f"{PLAN}: is not the plan of today's params.yaml and code: made again")
        PLAN.unlink(missing_ok=True)
    if lost or not planned:
        _dvc_repro("plan", force=not planned)
    _make_again(lost, recorded)


@contextmanager
def _dvc() -> Iterator[Repo]:
    """The repository, while no other DVC changes it."""
    try:
        with Repo() as repo, lock_repo(repo):
            yield repo
    except LockError:
        raise UserError("verify: another DVC works in this folder; wait until it has ended, and repeat this") from None
    except DvcException as error:
        raise UserError(f"verify: DVC can't work here: {' '.join(str(error).split())}") from None


def _put_right(unit: Unit, recorded: str | None, objects: Objects, repo: Repo) -> bool:
    """Whether the outputs of a unit are, or now are, as dvc.lock records them, or are not for this command to change:
    not made yet, or newer than dvc.lock."""
    folder = unit.output
    found = files_of(folder)
    whole = _is_whole(folder)
    if recorded is None:
        return whole or not found
    equal = directory_object(found)[0] == recorded
    if whole and not equal and read_manifest(folder).get("digest") == unit.digest != _locked(unit):
        print(f"{unit}: {folder}: newer than {LOCK}, left as it is; run `dvc repro`")
        return True
    if (wanted := _wanted(recorded, found, folder, objects)) is None:
        print(f"{unit}: {folder}: {NOBODY} of its list of files")
        return False
    replaced: dict[str, str] = {}
    for name, md5 in wanted.items():
        damaged, origin = found.get(name) != md5, "the cache"
        if not objects.sound(md5):
            if not damaged:
                objects.put(md5, folder / name)
                print(f"cache: the object of {folder / name}: missing: copied from there")
            elif remote := objects.fetch(md5, recorded):
                origin = f"the remote {remote!r}"
            else:
                print(f"{unit}: {folder / name}: {_fault(found.get(name))}: {NOBODY}")
                return False
        if damaged:
            replaced[name] = origin
    strays = sorted(found.keys() - wanted.keys())
    _replace(folder, list(replaced), strays, repo)
    for name, origin in replaced.items():
        print(f"{unit}: {folder / name}: {_fault(found.get(name))}: restored from {origin}")
    for name in strays:
        print(f"{unit}: {folder / name}: not one of its files: moved to {STRAYS / folder / name}")
    if not _is_whole(folder):
        print(f"{unit}: {folder}: as {LOCK} records it, but that is not what its manifest says")
        return False
    return True


def _locked(unit: Unit) -> str | None:
    """The digest of a unit's parameters, code and versions by which dvc.lock records its outputs."""
    return locked_digest(locked_stages().get(unit.kind.address(*unit.axes), {}), unit)


def _wanted(recorded: str, found: dict[str, str], folder: Path, objects: Objects) -> dict[str, str] | None:
    """{file: md5} of a folder as dvc.lock records it; None if nobody has this list, and its manifest does not help."""
    if objects.sound(recorded) or objects.fetch(recorded):
        return objects.directory(recorded)
    files = found if directory_object(found)[0] == recorded else _of_manifest(folder, found, objects)
    if directory_object(files)[0] != recorded:
        return None
    objects.put_directory(files)
    print(f"cache: the list of the files of {folder}: missing: written anew")
    return files


def _of_manifest(folder: Path, found: dict[str, str], objects: Objects) -> dict[str, str]:
    """{file: md5} of the files that a folder's manifest names, as far as the folder or the cache has sound ones."""
    try:
        about = read_manifest(folder)
    except UserError:
        return {}
    files = {MANIFEST: found[MANIFEST]}
    for name, entry in about["outputs"].items():
        sound = file_fault(folder / name, entry) is None
        if md5 := found[name] if sound else objects.holding(entry["bytes"], entry["sha256"]):
            files[name] = md5
    return files


def _is_whole(folder: Path) -> bool:
    """Whether a folder holds what its manifest says, and nothing else."""
    try:
        return not any(faults(folder, read_manifest(folder)))
    except UserError:
        return False


def _fault(md5: str | None) -> str:
    return "missing" if md5 is None else f"altered (md5 {md5})"


def _replace(folder: Path, damaged: list[str], strays: list[str], repo: Repo) -> None:
    """Checks out files of which the cache has sound copies. DVC compares sizes and dates, so the old ones go first."""
    if not damaged and not strays:
        return
    if folder.is_file():
        _move(folder, STRAYS / folder)
    for name in damaged:
        with suppress(FileNotFoundError, IsADirectoryError):
            (folder / name).unlink()
        if (folder / name).is_dir():
            _move(folder / name, STRAYS / folder / name)
    for name in strays:
        _move(folder / name, STRAYS / folder / name)
    if damaged:
        repo.checkout([str(folder)], force=True)


def _move(path: Path, target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(path, target)


def _is_planned(experiment: Experiment) -> bool:
    """Whether build/plan.json is the plan of today's parameters and code."""
    device = device_of(experiment)
    try:
        return PLAN.read_text(encoding="utf-8") == readable_json(as_tree(device, list(units(experiment, device))))
    except (FileNotFoundError, UnicodeDecodeError):
        return False


def _make_again(lost: list[Unit], recorded: dict[str, str]) -> None:
    for unit in lost:
        folder = unit.output
        if unsound := [path for path in unit.inputs if not _is_whole(path)]:
            print(f"{unit}: {folder}: can't be made again: its input {unsound[0]} is not whole")
            continue
        print(f"{unit}: {folder}: made again", flush=True)
        with _put_aside(folder):
            reason = _dvc_repro(unit.kind.address(*unit.axes), force=True)
        if reason:
            print(f"{unit}: {folder}: can't be made again, so it is left as it was: {reason}")
        elif recorded_by_dvc().get(folder.as_posix()) == recorded.get(folder.as_posix()):
            print(f"{unit}: {folder}: equal to what {LOCK} recorded")
        else:
            print(f"{unit}: {folder}: by today's params.yaml and code, so {LOCK} has changed")


@contextmanager
def _put_aside(folder: Path) -> Iterator[None]:
    """Keeps a folder at another place while it is made again, and puts it back if it is not made."""
    aside = ASIDE / folder
    if folder.exists():
        _move(folder, aside)
    try:
        yield
    finally:
        if (folder / MANIFEST).is_file():
            shutil.rmtree(aside, ignore_errors=True)
        elif aside.exists():
            _move(aside, folder)


def _dvc_repro(address: str, force: bool) -> str | None:
    """Makes the outputs of one stage, and shows what it says; returns why it failed, or None."""
    command = ["dvc", "--wait-for-lock", "repro", "--single-item", *(["--force"] if force else []), address]
    said = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None, "a pipe, as asked for"
        for line in process.stdout:
            said.append(line.strip())
            log(line.rstrip())
    if process.returncode == 0:
        return None
    sentences = [line.removeprefix(SENTENCE) for line in said if line.startswith(SENTENCE)]
    return (sentences or [line for line in said if line] or [f"exit code {process.returncode}"])[-1]
