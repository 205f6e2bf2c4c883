"""Reads YAML 1.2 files and validates values by models; every error names file, key, value and remedy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from ganflow.errors import UserError, suggestion

PARAMS = Path("params.yaml")
LARGEST_FILE = 1 << 20  # bytes; an experiment is a page or two
SHOWN = 120  # characters of a key or value in a sentence

T = TypeVar("T", bound=BaseModel)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML 1.2 file of at most 1 MiB; duplicate keys and tags are refused."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UserError(f"{path}: larger than {LARGEST_FILE} bytes; this is not a parameter file")
        return parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run from the top of the repository") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text") from None


def parse_yaml(text: str, name: str) -> dict[str, Any]:
    """The mapping in a text of YAML 1.2; errors call it by `name`."""
    try:
        content = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" line {mark.line + 1}" if mark else ""
        raise UserError(f"{name}{where}: not valid YAML: {' '.join(str(error.problem).split())}") from None
    if not isinstance(content, dict):
        raise UserError(f"{name}: must be a mapping of keys to values")
    return content


def checked(model: type[T], value: Any, where: str = "", file: str = str(PARAMS), remedy: str = "") -> T:
    """`value` as a `model`; raises UserError with file, key, value and remedy of each error or, of a file with one
    `remedy` for all, of the first."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = error.errors()
        causes = [problem for problem in problems if not _follows(problem["loc"], problems)]
        if remedy:
            raise UserError(f"{_sentence(model, causes[0], where, file, remedy)}; {remedy}") from None
        raise UserError("\n".join(_sentence(model, problem, where, file) for problem in causes)) from None


def _follows(place: tuple[int | str, ...], problems: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a problem follows from one inside it, as an empty list does from a refused item."""
    return any(len(p["loc"]) > len(place) and p["loc"][: len(place)] == place for p in problems)


def _sentence(model: type[BaseModel], problem: Mapping[str, Any], where: str, file: str, remedy: str = "") -> str:
    path = [str(part) for part in problem["loc"] if part != "[key]"]
    key = _printable(".".join(filter(None, [where, *path])))
    found = problem["input"]
    shown = f" = {_printable(repr(found))}" if isinstance(found, str | int | float | bool) else ""
    match problem["type"]:
        case "extra_forbidden" | "missing" if remedy:
            return f"{file}: {key}: {'is missing' if problem['type'] == 'missing' else 'unknown key'}"
        case "extra_forbidden":
            known = sorted(_fields_at(model, path[:-1]))
            return f"{file}: {key}: unknown key; {suggestion(path[-1], known, 'known keys')}"
        case "missing":
            return f"{file}: {key}: is missing; add it"
        case "string_pattern_mismatch":
            return f"{file}: {key}{shown}: a name has lower-case letters, digits and _ and starts with a letter"
        case "too_short":
            return f"{file}: {key}: is empty; name at least {problem['ctx']['min_length']}"
        case _:
            text = problem["msg"].removeprefix("Value error, ")
            return f"{file}: {key + shown + ': ' if key else ''}{text[:1].lower() + text[1:]}"


def _printable(text: str) -> str:
    """A text as part of a sentence: on one line, without control characters, not without end."""
    plain = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[: SHOWN + 1])
    return plain if len(plain) <= SHOWN else f"{plain[:SHOWN]}..."


def _fields_at(annotation: Any, path: list[str]) -> set[str]:
    """The keys of the models at a path of keys."""
    for part in path:
        if get_origin(annotation) in (dict, tuple):
            annotation = get_args(annotation)[get_origin(annotation) is dict]
        else:
            annotation = annotation.model_fields[part].annotation
    return {*annotation.model_fields, *annotation.short_keys} if hasattr(annotation, "model_fields") else set()
