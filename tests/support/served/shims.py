"""What stands on PATH instead of `python`, `dvc` and `snakemake`: it asks the server that has imported the program, or
starts the program itself where that would be another one. Imports little, for it is started once a command."""

import json
import os
import re
import signal
import socket
import sys
import time
from contextlib import suppress

LENGTH = 8  # bytes before a request
PROGRAMS = {"ganflow": "ganflow", "workflow.job": "job"}  # by the module after `python -m`
IMPORTING = {"ganflow", "snakemake"}  # DVC imports nothing of the project's
SERVED = re.compile(r"^compute: *(?:\{[^}]*|\n(?: +.*\n)*? +)\bthreads: *1\b", re.MULTILINE)


def hand_over(name: str, arguments: list[str], addresses: dict[str, str], python: str, sources: str) -> None:
    """Runs a command by its server, and ends as it ends."""
    program = name
    if name == "python":
        program = PROGRAMS.get(arguments[1], "") if arguments[:1] == ["-m"] and len(arguments) > 1 else ""
    if not program or not computes_alike():
        path = python if name == "python" else os.path.join(os.path.dirname(python), name)
        os.execv(path, [path, *arguments])
    wait_for(addresses[program])
    request = {
        "arguments": arguments[2:] if name == "python" else arguments,
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "umask": os.umask(0),
        "other_sources": program in IMPORTING and not same_sources(sources),
    }
    connection, process = ask(addresses[program], request, [0, 1, 2])
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: os.kill(process, number))
    status, _ = wait(connection)
    if os.WIFSIGNALED(status):
        os.kill(os.getpid(), os.WTERMSIG(status))
    sys.exit(os.WEXITSTATUS(status))


def computes_alike() -> bool:
    """Whether the present folder's experiment computes as the servers do: portable arithmetic, one thread."""
    with suppress(OSError):
        with open("params.yaml", encoding="utf-8", errors="replace") as file:
            text = file.read()
        return bool(SERVED.search(text)) and "native" not in text
    return False


def same_sources(sources: str) -> bool:
    """Whether the present folder has no sources of its own, or those that the servers have imported."""
    here = os.path.join("src", "ganflow")
    try:
        return not os.path.isdir(here) or same_files(here, sources)
    except OSError:
        return False


def same_files(here: str, there: str) -> bool:
    """Whether two folders of sources hold the same files; equal sizes and dates are taken for equal bytes."""
    mine, others = ({entry.name: entry for entry in os.scandir(folder)} for folder in (here, there))
    for made in (mine, others):
        made.pop("__pycache__", None)
    if mine.keys() != others.keys():
        return False
    for name, entry in mine.items():
        if entry.is_dir():
            if not same_files(entry.path, others[name].path):
                return False
            continue
        one, other = entry.stat(), others[name].stat()
        if one.st_size != other.st_size:
            return False
        if one.st_mtime_ns != other.st_mtime_ns and content(entry.path) != content(others[name].path):
            return False
    return True


def content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def wait_for(address: str, seconds: float = 120) -> None:
    """Waits until a server answers at an address."""
    began = time.monotonic()
    while not os.path.exists(address):
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"no server at {address}")
        time.sleep(0.05)


def ask(address: str, request: dict[str, object], descriptors: list[int]) -> tuple[socket.socket, int]:
    """Starts a command with its standard input, output and error; returns the connection, and its process id."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    content = json.dumps(request).encode()
    socket.send_fds(connection, [len(content).to_bytes(LENGTH, "big")], descriptors)
    connection.sendall(content)
    return connection, int(_line(connection))


def wait(connection: socket.socket) -> tuple[int, float]:
    """The wait status of a command, and the seconds that it computed."""
    with connection:
        status, seconds = _line(connection).split()
        return int(status), float(seconds)


def _line(connection: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        if not (piece := connection.recv(1)):
            raise ConnectionError("the server ended")
        line += piece
    return line
