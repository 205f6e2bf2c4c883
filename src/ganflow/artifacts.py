"""Artifacts: files and folders that are written atomically, with digests and a manifest.

A folder is finished when it holds manifest.json, which is written last. The state that a killed stage resumes from is
in a scratch folder named by a fingerprint, outside all outputs: both engines delete outputs before they run a stage.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ganflow.errors import UserError
from ganflow.serialization import canonical_json, csv_columns, readable_json

MANIFEST = "manifest.json"
SEAL = "manifest"  # the key, in a manifest, of the digest of its other entries
SCRATCH = Path("build/scratch")
BLOCK = 1 << 20


def digest_file(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_bytes(content: bytes) -> str:
    """sha256 of bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def digest_value(value: Any) -> str:
    """sha256 of a JSON value, in hex."""
    return digest_bytes(canonical_json(value).encode())


def versions(*packages: str) -> dict[str, str]:
    """Installed versions without local parts such as +cpu; the device is recorded separately."""
    return {package: _version(package) for package in packages}


@cache  # it is read from a file, and asked for each unit of a plan
def _version(package: str) -> str:
    return version(package).partition("+")[0]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_file(path: Path, content: bytes | str) -> None:
    """Writes a file atomically: to a temporary name, synced, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content.encode() if isinstance(content, str) else content)
    _sync(partial)
    partial.replace(path)
    _sync(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON value atomically, indented, with sorted keys."""
    write_file(path, readable_json(value))


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """A temporary folder to fill, which replaces `path` when the block ends without an exception.

    The old folder is renamed aside first, and deleted when the new one is in place: killed at any moment, one of the
    two is whole, and the next call puts an old one back.
    """
    partial, aside = path.with_name(f".{path.name}.partial"), path.with_name(f".{path.name}.old")
    if aside.exists() and not path.exists():
        aside.replace(path)
    for rest in (partial, aside):
        shutil.rmtree(rest, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    for file in partial.rglob("*"):
        _sync(file)
    if path.exists():
        path.replace(aside)
    partial.replace(path)
    _sync(path.parent)
    shutil.rmtree(aside, ignore_errors=True)


def scratch(stage: str, fingerprint: str) -> Path:
    """The scratch folder of a stage, to resume from; the fingerprint covers parameters, inputs and code."""
    folder = SCRATCH / stage / fingerprint[:32]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def scratch_lock(stage: str, fingerprint: str) -> FileLock:
    """A lock for a scratch folder that several processes may use."""
    return FileLock(SCRATCH / stage / f"{fingerprint[:32]}.lock")


def discard_scratch(stage: str, fingerprint: str) -> None:
    """Deletes a scratch folder whose work is finished and recorded, unless its lock is held."""
    folder = SCRATCH / stage / fingerprint[:32]
    if folder.exists():
        with suppress(Timeout), scratch_lock(stage, fingerprint).acquire(timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
            folder.with_suffix(".lock").unlink(missing_ok=True)


def content_digest(folder: Path) -> str:
    """The digest of a finished folder's content, independent of its origin; raises UserError as `read_manifest`."""
    return str(read_manifest(folder)["content"])


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a finished folder; raises UserError if it is missing, altered, or not a manifest."""
    path = folder / MANIFEST
    if not path.is_file():
        raise UserError(f"{folder}: missing or not finished (no {MANIFEST}); run `dvc repro` to create it")
    manifest = read_json(path)
    if not isinstance(manifest, dict) or SEAL not in manifest:
        raise UserError(f"{path}: not a manifest of this version; {cure(folder)}")
    if manifest[SEAL] != digest_value({key: value for key, value in manifest.items() if key != SEAL}):
        raise UserError(f"{path}: altered: is not what its own digest says; {cure(folder)}")
    return manifest


def cure(folder: Path) -> str:
    """What to do about a damaged folder of outputs."""
    return f"delete {folder} and run `dvc repro`"


def write_manifest(
    folder: Path,
    about: Mapping[str, Any],
    known: Mapping[str, str] | None = None,
    origin: Mapping[str, Any] | None = None,
) -> None:
    """Writes manifest.json: the entries of `about`, size and sha256 of every file, the digest of both, and the entries
    of `origin`, which describe how the files were made.

    `known` are the digests, by name, of files that need not be read again.
    """
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file != folder / MANIFEST)
    names = [file.relative_to(folder).as_posix() for file in files]
    outputs = {
        name: {"bytes": file.stat().st_size, "sha256": (known or {}).get(name) or digest_file(file)}
        for name, file in zip(names, files, strict=True)
    }
    content = {**about, "outputs": outputs}
    _seal(folder, {**(origin or {}), **content, "content": digest_value(content)})


def change_manifest(folder: Path, changes: Mapping[str, Any]) -> None:
    """Replaces entries of a finished folder's manifest."""
    _seal(folder, {**read_manifest(folder), **changes})


def _seal(folder: Path, manifest: Mapping[str, Any]) -> None:
    entries = {key: value for key, value in manifest.items() if key != SEAL}
    write_json(folder / MANIFEST, entries | {SEAL: digest_value(entries)})


def read_json(path: Path) -> Any:
    """The JSON value in a file; raises UserError if it is absent or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: missing; run `dvc repro` to create it") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path}: damaged (not JSON); delete its folder and run `dvc repro` again") from None


def read_csv(path: Path) -> dict[str, list[float]]:
    """{column: numbers} of a CSV file; raises UserError if it is absent or damaged."""
    try:
        return csv_columns(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: missing; run `dvc repro` to create it") from None
    except ValueError:
        raise UserError(f"{path}: damaged; delete its folder and run `dvc repro` again") from None
