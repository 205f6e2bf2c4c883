"""The metadata of safetensors files, read without torch and without the tensors, and tensors by their names."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from ganflow.artifacts import cure
from ganflow.errors import UserError
from ganflow.params_file import checked
from ganflow.serialization import parse_json

LONGEST_HEADER = 100_000_000  # bytes, as in the safetensors library

T = TypeVar("T")


class Tensors(dict[str, T]):
    """{name: tensor} of a file; asking for one that it lacks raises UserError."""

    def __init__(self, path: Path, tensors: dict[str, T]):
        super().__init__(tensors)
        self.path = path

    def __missing__(self, name: str) -> T:
        raise UserError(f"{self.path}: has no tensor `{name}`; {cure(self.path)}")


def metadata(content: bytes, size: int | None = None) -> dict[str, Any]:
    """The metadata of a safetensors file, of which the first bytes suffice if its `size` is given; raises ValueError if
    it is not one, or is longer or shorter than its tensors."""
    length = int.from_bytes(content[:8], "little")
    if length > min(len(content) - 8, LONGEST_HEADER):
        raise ValueError("the header is longer than the file")
    try:
        table = parse_json(content[8 : 8 + length].decode())
        about = parse_json(table.pop("__metadata__")["ganflow"])
        end = 8 + length + max((entry["data_offsets"][1] for entry in table.values()), default=0)
    except (AttributeError, KeyError, IndexError, TypeError):
        raise ValueError("holds no metadata of ganflow") from None
    if end != (len(content) if size is None else size):
        raise ValueError("is longer or shorter than its tensors")
    if not isinstance(about, dict):
        raise ValueError("its metadata is not a mapping")
    return about


def header(path: Path, model: type[BaseModel] | None = None) -> dict[str, Any]:
    """The metadata of a safetensors file, without reading its tensors; raises UserError if it is absent, damaged, or
    not what a `model` describes."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
            head = start + file.read(min(int.from_bytes(start, "little"), LONGEST_HEADER))
            about = metadata(head, path.stat().st_size)
    except OSError as error:
        raise absent(path, error) from None
    except ValueError:
        raise damaged(path) from None
    if model:
        checked(model, about, file=str(path), remedy=cure(path))
    return about


def absent(path: Path, error: OSError) -> Exception:
    """A UserError for a file that is not there, else the error itself."""
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        return UserError(f"{path}: missing; run `dvc repro` to create it")
    return error


def damaged(path: Path) -> UserError:
    """The error for a file that is no safetensors file of ganflow."""
    return UserError(f"{path}: damaged, or not written by ganflow; {cure(path)}")
