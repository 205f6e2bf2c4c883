"""Commands without their imports: a process that has imported a program forks for each command that it is asked for.

What a command does is the program's own, with its arguments, folder and environment; only the seconds of its imports
are spared. Faults that a request asks for hold in the command alone, and not in what it starts.
"""

import atexit
import ctypes
import importlib
import json
import os
import pkgutil
import resource
import signal
import socket
import stat
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

CAPABILITIES = 0x20080522  # version 3 of Linux's capability sets, of two words each
LENGTH = 8  # bytes before a request


def import_ganflow() -> Callable[[list[str]], int]:
    from ganflow import arithmetic

    arithmetic.configure(1, "portable")
    from ganflow.stages.cli import main

    package = importlib.import_module("ganflow")
    for module in pkgutil.walk_packages(package.__path__, "ganflow."):
        if module.name != "ganflow.__main__":
            importlib.import_module(module.name)
    importlib.import_module("mlflow")
    return main


def import_dvc() -> Callable[[list[str]], int]:
    from dvc.cli import main

    for name in ("dvc.repo.reproduce", "dvc.repo.status", "dvc.commands.repro", "dvc.output", "networkx"):
        importlib.import_module(name)
    return main


def import_snakemake() -> Callable[[list[str]], int]:
    from snakemake.cli import main

    for name in ("dvc.repo", "snakemake.workflow", "snakemake.scheduling.job_scheduler", "ganflow.stages.runs"):
        with suppress(ImportError):
            importlib.import_module(name)
    return main


PROGRAMS = {"ganflow": import_ganflow, "dvc": import_dvc, "snakemake": import_snakemake}


def serve(program: str, address: str) -> None:
    """Answers requests until its parent ends: each gets the process id of its command, then its wait status."""
    before, parent = dict(os.environ), os.getppid()
    main = PROGRAMS[program]()
    settled = {name: value for name, value in os.environ.items() if before.get(name) != value}  # read when imported
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait for commands
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address + ".partial")
        listening.listen(64)
        os.rename(address + ".partial", address)
        listening.settimeout(5)
        while os.getppid() == parent:
            try:
                connection, _ = listening.accept()
            except TimeoutError:
                continue
            if os.fork() == 0:
                listening.close()
                _answer(connection, main, settled)
            connection.close()


def _answer(connection: socket.socket, main: Callable[[list[str]], int], settled: dict[str, str]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, descriptors, _, _ = socket.recv_fds(connection, LENGTH, 3)
    request = json.loads(_receive(connection, int.from_bytes(length, "big")))
    if not (command := os.fork()):
        connection.close()
        _run(request | {"environment": request["environment"] | settled}, descriptors, main)
    with suppress(OSError):
        connection.sendall(f"{command}\n".encode())
        _, status, used = os.wait4(command, 0)
        connection.sendall(f"{status} {used.ru_utime + used.ru_stime}\n".encode())
    os._exit(0)


def _receive(connection: socket.socket, length: int) -> bytes:
    content = b""
    while len(content) < length:
        content += connection.recv(length - len(content))
    return content


def _run(request: dict[str, Any], descriptors: list[int], main: Callable[[list[str]], int]) -> None:
    code = 1
    try:
        os.setsid()
        for place, descriptor in enumerate(descriptors):
            os.dup2(descriptor, place)
        os.closerange(3, 256)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (until the end)
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
        os.environ.clear()
        os.environ |= request["environment"]
        os.chdir(request["folder"])
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _limit(request.get("faults") or {})
        code = main(request["arguments"]) or 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    with suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _limit(faults: dict[str, Any]) -> None:
    """Limits (RLIMIT_...: value), bytes of memory more than now, no privileges, and events that kill or fail."""
    for name, value in faults.get("limits", {}).items():
        kind = getattr(resource, name)
        resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))
        if name == "RLIMIT_FSIZE":
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python does when it starts: EFBIG instead
    if more := faults.get("memory"):
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + more, resource.getrlimit(resource.RLIMIT_AS)[1]))
    if faults.get("no_privileges"):
        drop_privileges()
    if events := faults.get("events"):
        from fault_injection.events import Watch

        Watch(**events).start()


def drop_privileges() -> None:
    """From here on, permissions hold for this process even if root runs it."""
    header, none = (ctypes.c_uint32 * 2)(CAPABILITIES, 0), (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None, use_errno=True).capset(header, none):
        raise OSError(ctypes.get_errno(), "capset")


def ask(address: str, request: dict[str, Any], descriptors: list[int]) -> tuple[socket.socket, int]:
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


def write_shims(folder: Path, addresses: dict[str, str]) -> None:
    """Programs for PATH that hand themselves over: `dvc`, `snakemake`, and `python -m ganflow`."""
    folder.mkdir(parents=True, exist_ok=True)
    about = (str(Path(__file__).parents[1]), addresses, sys.executable)
    for name in ("python", "dvc", "snakemake"):
        shim = folder / name
        shim.write_text(SHIM.format(python=sys.executable, about=about, name=name))
        shim.chmod(shim.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


SHIM = """#!{python} -IS
import os, signal, sys
support, addresses, python = {about!r}
name, arguments = {name!r}, sys.argv[1:]
if name == "python":
    if arguments[:2] != ["-m", "ganflow"]:
        os.execv(python, [python, *arguments])
    name, arguments = "ganflow", arguments[2:]
sys.path.insert(0, support)
from fault_injection.server import ask, wait
request = dict(arguments=arguments, folder=os.getcwd(), environment=dict(os.environ))
connection, process = ask(addresses[name], request, [0, 1, 2])
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: os.kill(process, number))
status, _ = wait(connection)
if os.WIFSIGNALED(status):
    os.kill(os.getpid(), os.WTERMSIG(status))
sys.exit(os.WEXITSTATUS(status))
"""


if __name__ == "__main__":
    serve(*sys.argv[1:])
