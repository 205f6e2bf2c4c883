"""Every command that a message tells the user to run exists, with its options, and is tried: a test runs it on the
fault it is for, or a list says why none does."""

import re
import shlex
from functools import cache

import pytest
from repository import TOP
from told_commands import CURES, ELSEWHERE, NOT_EXECUTED, PROGRAMS, told

from ganflow.stages.cli import _parser

TOLD = told()
parser_of_ganflow = cache(_parser)


def known_to_dvc(arguments: list[str]) -> None:
    from dvc.cli import parse_args

    parse_args(arguments)


@cache
def parser_of_snakemake():
    from snakemake.cli import get_argument_parser

    return get_argument_parser()


def known_to_snakemake(arguments: list[str]) -> None:
    parser_of_snakemake().parse_args(arguments)


def known_to_make(arguments: list[str]) -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (TOP / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None and set(arguments) <= set(phony[1].split())


def known_to_python(arguments: list[str]) -> None:
    if arguments[:2] == ["-m", "ganflow"]:
        return known_to_ganflow(arguments[2:])
    script, *options = arguments
    assert all(f'"{option}"' in (TOP / script).read_text() for option in options)


def known_to_ganflow(arguments: list[str]) -> None:
    if arguments:
        parser_of_ganflow().parse_args(arguments)


KNOWN = {
    "dvc": known_to_dvc,
    "ganflow": known_to_ganflow,
    "make": known_to_make,
    "python": known_to_python,
    "snakemake": known_to_snakemake,
}


@pytest.mark.parametrize(("module", "command", "message"), TOLD, ids=[f"{t.module}: {t.command}" for t in TOLD])
def test_a_told_command_exists_with_its_options(module, command, message):
    program, *arguments = shlex.split(command.replace("{}", "1").replace(" N", " 2"))
    if program in KNOWN and NOT_EXECUTED.get((module, command)) != "what failed, and not a cure":
        KNOWN[program](arguments)
    assert program in PROGRAMS


def test_every_told_command_is_tried():
    """A new message with a command has its line in tests/support/told_commands.py, and the test that executes it."""
    found = {(module, command) for module, command, _ in TOLD}
    tried = {(module, command) for command, modules in CURES.items() for module in modules}
    assert not tried & ELSEWHERE.keys() and not (tried | ELSEWHERE.keys()) & NOT_EXECUTED.keys()
    assert found == tried | ELSEWHERE.keys() | NOT_EXECUTED.keys()


@pytest.mark.parametrize(("command", "name"), sorted({(command, name) for (_, command), name in ELSEWHERE.items()}))
def test_what_is_tried_elsewhere_is_tried_there(command, name):
    text = re.sub(r"[^\w.]+", " ", (TOP / "tests" / name).read_text())
    words = [word for word in re.sub(r"[^\w.]+", " ", command).split() if word not in ("python", "m", "ganflow", "N")]
    assert all(word in text.split() for word in words), words


def test_no_message_tells_to_delete_a_folder_that_may_hold_more():
    """What is deleted to be made again is found by `verify --repair`, which keeps the good."""
    for path in (TOP / "src/ganflow").rglob("*.py"):
        assert "delete its folder" not in path.read_text(), path
