"""Reads YAML 1.2 files and validates values by models; every error names file, key, value and remedy."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import Node, ScalarNode
from ruamel.yaml.reader import ReaderError

from ganflow.errors import UserError, suggestion

PARAMS = Path("params.yaml")
LARGEST_FILE = 1 << 20  # bytes; an experiment is a page or two
DEEPEST, MOST_VALUES = 50, 100_000  # nested values, and values in all with those that aliases repeat
WHOLE_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")  # of 64 bits, and the same in YAML 1.1 and 1.2
OTHERWISE_IN_YAML_1_1 = {"yes": "true", "on": "true", "no": "false", "off": "false"}  # Snakemake reads that version
SHOWN = 80  # characters of a value in a message, which a digest has

T = TypeVar("T", bound=BaseModel)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML 1.2 file of at most 1 MiB; duplicate keys and tags are refused."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UserError(f"{path}: larger than {LARGEST_FILE} bytes; this is not a parameter file")
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run from the top of the repository") from None
    try:
        return parse_yaml(content.decode("utf-8-sig"), str(path))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path} line {line}: not UTF-8 text; save the file in that encoding") from None


def parse_yaml(text: str, name: str) -> dict[str, Any]:
    """The mapping in a text of YAML 1.2; errors call it by `name`."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _Composer
    try:
        content = yaml.load(text)
    except MarkedYAMLError as error:
        mark, problem = error.problem_mark, " ".join(str(error.problem).split())
        where = f" line {mark.line + 1}" if mark else ""
        cure = "; write spaces instead of tabs" if r"'\t'" in problem else ""
        fault = "" if isinstance(error, _Refused) else "not valid YAML: "
        raise UserError(f"{name}{where}: {fault}{problem}{cure}") from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        control = f"holds the control character U+{int(error.character):04X}"
        raise UserError(f"{name} line {line}: not valid YAML: {control}; remove it") from None
    except (YAMLError, ValueError, LookupError) as error:  # of values that a tag, or their look, calls a date or number
        raise UserError(f"{name}: not valid YAML: {_shown(str(error))}") from None
    if not isinstance(content, dict):
        raise UserError(f"{name}: must be a mapping of keys to values")
    return content


class _Refused(ComposerError):
    """Valid YAML that is not taken here."""


class _Composer(Composer):
    """Refuses what takes more than a page or two however short it is written, and what YAML 1.1 reads otherwise."""

    values = 0

    def compose_node(self, parent: Any, index: Any) -> Node:
        event, before = self.parser.peek_event(), self.values
        if self.depth >= DEEPEST:
            raise _Refused(None, None, f"nested more than {DEEPEST} deep", event.start_mark)
        sizes: dict[str, int] = self.__dict__.setdefault("sizes", {})  # of anchored nodes, once they are complete
        if isinstance(event, AliasEvent):
            self.values += sizes.get(event.anchor, MOST_VALUES)  # one inside what it names has no end
            node: Node = super().compose_node(parent, index)
        else:
            sizes.pop(event.anchor, None)
            node = super().compose_node(parent, index)
            self.values += 1
            if event.anchor is not None:
                sizes[event.anchor] = self.values - before
        if self.values > MOST_VALUES:
            raise _Refused(None, None, f"holds more than {MOST_VALUES:,} values by its aliases", event.start_mark)
        return node

    def compose_scalar_node(self, anchor: Any) -> ScalarNode:
        node: ScalarNode = super().compose_scalar_node(anchor)
        written = node.value
        if not node.style and (meant := OTHERWISE_IN_YAML_1_1.get(written.lower())):
            problem = f'`{written}` is a word in YAML 1.2 and {meant} in 1.1; write {meant}, or "{written}" as a word'
            raise _Refused(None, None, problem, node.start_mark)
        if node.tag == "tag:yaml.org,2002:int" and not WHOLE_NUMBER.fullmatch(written):
            problem = f"{_shown(written)}: write a whole number of at most 18 decimal digits, without leading 0"
            raise _Refused(None, None, problem, node.start_mark)
        return node


def _shown(text: str) -> str:
    """A text in one line of a message: without control characters, and not all of a long one."""
    said = text if text.isprintable() else repr(text)
    return said if len(said) <= SHOWN else f"{said[: SHOWN - 3]}..."


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
    path = [_shown(str(part)) for part in problem["loc"] if part != "[key]"]
    key = ".".join(filter(None, [where, *path]))
    found = problem["input"]
    shown = f" = {_shown(repr(found))}" if isinstance(found, str | int | float | bool) else ""
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


def _fields_at(annotation: Any, path: list[str]) -> set[str]:
    """The keys of the models at a path of keys."""
    for part in path:
        if get_origin(annotation) in (dict, tuple):
            annotation = get_args(annotation)[get_origin(annotation) is dict]
        else:
            annotation = annotation.model_fields[part].annotation
    return {*annotation.model_fields, *annotation.short_keys} if hasattr(annotation, "model_fields") else set()
