"""What the command line says of errors."""

import errno
from pathlib import Path

import pytest
import torch

from ganflow.errors import UserError
from ganflow.evaluation import extraction
from ganflow.stages import cli


def allocate():
    torch.empty(2**50)  # 4 PB


def convolve():
    raise RuntimeError("could not create a primitive")  # of oneDNN, when it gets no memory for its code


def load():
    try:
        allocate()
    except RuntimeError:
        raise UserError("weights.pth: holds the weights of another network") from None


def unpack():
    """The extractor's file is sound, and there is no memory to read it."""

    def full(*_, **__):
        raise RuntimeError("unable to mmap 100 bytes from file <weights.pth>: Cannot allocate memory (12)")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "load", full)
        extraction.read_weights(Path("weights.pth"))


def open_file():
    try:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")
    except OSError:
        raise UserError("a.tar: can't be opened (Cannot allocate memory); raise `ulimit -n`") from None


def interpret():
    raise MemoryError


def said_of(fault, monkeypatch, capsys) -> str:
    monkeypatch.setattr(cli, "_run", lambda *_: fault())
    assert cli.main(["train", "cifar10", "dcgan", "0"]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("fault", [allocate, convolve, load, unpack, open_file, interpret])
def test_missing_memory_is_said_and_not_what_follows_from_it(fault, monkeypatch, capsys):
    said = said_of(fault, monkeypatch, capsys)
    assert said.startswith("ganflow: train: out of memory; in params.yaml, lower training.batch_size")
    assert said.count("\n") == 1


def test_a_sentence_about_memory_is_kept(monkeypatch, capsys):
    def write():
        try:
            raise MemoryError
        except MemoryError:
            raise UserError("toys: out of memory; lower compute.threads") from None

    assert said_of(write, monkeypatch, capsys) == "ganflow: toys: out of memory; lower compute.threads\n"


class PanicException(BaseException):
    """As libraries in Rust raise it."""


def test_a_library_that_gets_no_thread_is_said_and_other_panics_are_not(monkeypatch, capsys):
    def panic(kind):
        raise PanicException(f"The global thread pool has not been initialized.: Os {{ code: 11, kind: {kind} }}")

    said = said_of(lambda: panic("WouldBlock"), monkeypatch, capsys)
    assert said == "ganflow: train: out of memory, or of processes; free some, and run it again\n"
    monkeypatch.setattr(cli, "_run", lambda *_: panic("NotFound"))
    with pytest.raises(PanicException):
        cli.main(["train", "cifar10", "dcgan", "0"])


def test_other_errors_keep_their_traceback(monkeypatch):
    def compute():
        raise RuntimeError("could not create a primitive descriptor")

    monkeypatch.setattr(cli, "_run", lambda *_: compute())
    with pytest.raises(RuntimeError, match="descriptor"):
        cli.main(["train", "cifar10", "dcgan", "0"])


def test_errors_that_were_raised_for_each_other_end(monkeypatch, capsys):
    def turn():
        one, other = UserError("one"), UserError("other")
        one.__cause__, other.__cause__ = other, one
        raise one

    assert said_of(turn, monkeypatch, capsys) == "ganflow: one\n"


def test_a_number_that_a_library_says_in_words_is_understood(monkeypatch, capsys):
    def read():
        raise FileNotFoundError("Failed to read file a.py: Too many open files (os error 24)")  # of grimp

    said = said_of(read, monkeypatch, capsys)
    assert said == "ganflow: too many open files; raise `ulimit -n` and run it again\n"
