"""Artifacts: files and folders that are written atomically, with digests and a manifest.

A folder is finished when it holds manifest.json, which is written last. The state that a killed stage resumes from is
in a scratch folder named by a fingerprint, outside all outputs: both engines delete outputs before they run a stage.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from ganflow.config import Model
from ganflow.errors import UserError
from ganflow.locks import held
from ganflow.params_file import checked
from ganflow.serialization import canonical_json, csv_columns, parse_json, readable_json

MANIFEST = "manifest.json"
SEAL = "manifest"  # the key, in a manifest, of the digest of its other entries
SCRATCH = Path("build/scratch")
CHECKPOINTS = f"{'[0-9]' * 9}-{'[0-9a-f]' * 64}.safetensors"  # in the scratch folder of a training, as a pattern
BLOCK = 1 << 20
LARGEST_TEXT = 1 << 26  # bytes of a JSON or CSV file: the manifest of LSUN's shards has half a million


def _inside(name: str) -> str:
    """A path of a file within its folder."""
    path = PurePosixPath(name)
    if (
        path.is_absolute()
        or ".." in path.parts
        or "\0" in name
        or max(map(len, map(str.encode, path.parts)), default=256) > 255
    ):
        raise ValueError("is not the path of a file within the folder")
    return name


Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Inside = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(_inside)]


class Output(Model):
    """Size and digest of one file."""

    bytes: int = Field(ge=0)
    sha256: Digest


class Manifest(BaseModel):
    """What every manifest.json has; stages add entries of their own."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    outputs: dict[Inside, Output]
    content: Digest
    manifest: Digest
    stage: str = ""
    unit: list[str] = []
    digest: str = ""
    fingerprint: str = ""
    parameters: dict[str, JsonValue] = {}
    inputs: dict[str, str] = {}
    versions: dict[str, str] = {}
    code: dict[str, str] = {}


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


def write_sealed(path: Path, value: Any) -> None:
    """Writes a JSON value atomically, with its digest."""
    write_json(path, {"value": value, "sha256": digest_value(value)})


def read_sealed(path: Path) -> Any:
    """The JSON value in a file of `write_sealed`; raises ValueError if it is absent, altered or no such file."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST_TEXT:
        raise ValueError("is not a file of this program")
    try:
        sealed = parse_json(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError("is not JSON") from None
    if not isinstance(sealed, dict) or sealed.keys() != {"value", "sha256"}:
        raise ValueError("holds something else")
    if sealed["sha256"] != digest_value(sealed["value"]):
        raise ValueError("is not what its own digest says")
    return sealed["value"]


def file_fault(path: Path, entry: Mapping[str, Any]) -> str | None:
    """What is wrong with a file by its `bytes` and `sha256`; None if nothing is."""
    if not path.is_file():
        return "is missing"
    if path.stat().st_size != entry["bytes"]:
        return f"has {path.stat().st_size} bytes, expected {entry['bytes']}"
    if (digest := digest_file(path)) != entry["sha256"]:
        return f"has the sha256 {digest}, expected {entry['sha256']}"
    return None


def remove(path: Path) -> None:
    """Deletes what is at a path, if anything is: a file, a folder, or a link, but not what a link points at."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """A temporary folder to fill, which replaces `path` when the block ends without an exception.

    The old folder is renamed aside first, and deleted when the new one is in place: killed at any moment, one of the
    two is whole, and the next call puts an old one back. It is deleted under the name of the temporary folder, so that
    what stands aside is whole.
    """
    partial, aside = path.with_name(f".{path.name}.partial"), path.with_name(f".{path.name}.old")
    remove(partial)
    if aside.exists():
        aside.replace(partial if path.exists() else path)
        remove(partial)
    partial.mkdir(parents=True)
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    for file in (*partial.rglob("*"), partial):
        _sync(file)
    if path.exists():
        path.replace(aside)
    partial.replace(path)
    _sync(path.parent)
    if aside.exists():
        aside.replace(partial)
        shutil.rmtree(partial, ignore_errors=True)


def scratch(stage: str, fingerprint: str) -> Path:
    """The scratch folder of a stage, to resume from; the fingerprint covers parameters, inputs and code."""
    folder = SCRATCH / stage / fingerprint[:32]
    if not folder.is_dir():
        remove(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def scratch_lock(stage: str, fingerprint: str) -> Path:
    """The lock file of a scratch folder that several units may use."""
    return SCRATCH / stage / f"{fingerprint[:32]}.lock"


def discard_scratch(stage: str, fingerprint: str) -> None:
    """Deletes a scratch folder whose work is finished and recorded, unless its lock is held."""
    folder, lock = SCRATCH / stage / fingerprint[:32], scratch_lock(stage, fingerprint)
    if folder.exists():
        with suppress(UserError), held(lock, str(folder), patience=0):
            shutil.rmtree(folder, ignore_errors=True)
            lock.unlink(missing_ok=True)


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
    if manifest[SEAL] != _seal_of(manifest):
        raise UserError(f"{path}: altered: is not what its own digest says; {cure(folder)}")
    checked(Manifest, manifest, file=str(path), remedy=cure(folder))
    return manifest


def cure(*paths: Path) -> str:
    """What to do about damaged files or folders of units' outputs."""
    return f"run `python -m ganflow verify --repair {' '.join(map(str, paths))}`"


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
    write_json(folder / MANIFEST, {**manifest, SEAL: _seal_of(manifest)})


def _seal_of(manifest: Mapping[str, Any]) -> str:
    return digest_value({key: value for key, value in manifest.items() if key != SEAL})


def read_json(path: Path, remedy: str = "") -> Any:
    """The JSON value in a file; raises UserError with the `remedy` if it is absent, damaged, or too large."""
    try:
        return parse_json(_text(path, remedy))
    except ValueError:
        raise UserError(f"{path}: damaged (not JSON); {remedy or cure(path)}") from None


def read_model(model: type[BaseModel], path: Path, remedy: str = "") -> Any:
    """The JSON value in a file, which is what a `model` describes; raises UserError that names the first key that is
    not, with the `remedy`."""
    value = read_json(path, remedy)
    checked(model, value, file=str(path), remedy=remedy or cure(path))
    return value


def known_json(model: type[BaseModel], path: Path) -> Any:
    """The JSON value in a file that only spares work or describes it; None if it is absent or not as described."""
    try:
        return read_model(model, path)
    except (UserError, OSError):
        return None


def read_csv(path: Path, *needed: str) -> dict[str, list[float]]:
    """{column: numbers} of a CSV file; raises UserError if it is absent or damaged, or lacks a `needed` column."""
    try:
        columns = csv_columns(_text(path))
    except ValueError:
        raise UserError(f"{path}: damaged (not a table of numbers); {cure(path)}") from None
    if absent := [name for name in needed if name not in columns]:
        raise UserError(f"{path}: has no column `{absent[0]}`; {cure(path)}")
    return columns


def _text(path: Path, remedy: str = "") -> str:
    try:
        if (size := path.stat().st_size) > LARGEST_TEXT:
            raise UserError(f"{path}: {size:,} bytes, more than any such file has; {remedy or cure(path)}")
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: missing; {remedy or 'run `dvc repro` to create it'}") from None
    except IsADirectoryError:
        raise UserError(f"{path}: is a folder; {remedy or cure(path)}") from None
