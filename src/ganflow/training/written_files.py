"""The files that a training writes beside its checkpoints, and of which its outputs are made, as {name: bytes, sha256}.

A checkpoint carries this list: what lies there is believed only if it is what the training wrote.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ganflow.artifacts import digest_bytes, digest_file, file_fault, remove
from ganflow.errors import UserError

FOLDERS = ("samples", "snapshots", "grids")  # that a training fills, each with files alone

Entry = dict[str, Any]  # `bytes` and `sha256`


def described(folder: Path, paths: Iterable[Path]) -> dict[str, Entry]:
    """The entries of files in a scratch folder."""
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": digest_file(path)}
        for path in paths
    }


def faults(folder: Path, files: Mapping[str, Entry]) -> dict[str, str]:
    """{name: what is wrong with it} of the files that a checkpoint lists. Links are not followed."""
    there = {name for name in _there(folder) if not (folder / name).is_symlink()}
    found = {name: file_fault(folder / name, entry) if name in there else "is missing" for name, entry in files.items()}
    return {name: fault for name, fault in found.items() if fault}


def remove_others(folder: Path, files: Mapping[str, Entry]) -> list[str]:
    """Deletes whatever a checkpoint does not list; returns its names."""
    others = sorted(name for name in _there(folder) if name not in files)
    for name in others:
        remove(folder / name)
    return others


def copy(folder: Path, files: Mapping[str, Entry], target: Path) -> None:
    """Copies the files to another folder; raises UserError for one that is not what the training wrote."""
    for name, entry in files.items():
        path = folder / name
        whole = not faults(folder, {name: entry})
        content = path.read_bytes() if whole else b""
        if not whole or digest_bytes(content) != entry["sha256"]:
            raise UserError(
                f"{path}: is not what the training wrote; run it again: it goes on from the newest state that is whole"
            )
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)


def _there(folder: Path) -> list[str]:
    """The names of all that is in the folders of a training, and of what stands in the place of one."""
    tops = [folder / name for name in FOLDERS]
    plain = [top for top in tops if top.is_dir() and not top.is_symlink()]
    found = [path for top in plain for path in top.iterdir()]
    found += [top for top in tops if top not in plain and (top.is_symlink() or top.exists())]
    return [path.relative_to(folder).as_posix() for path in found]
