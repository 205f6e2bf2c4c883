"""Commands without their imports: a process that has imported a program forks for each command that it is asked for.

What a command does is the program's own, with its arguments, folder and environment; only the seconds of its imports,
and of reading ganflow's sources for their digests, are spared. Where the folder has other sources, those are imported
anew for the command. Faults that a request asks for hold in the command alone, and not in what it starts.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
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

from served.shims import LENGTH


def import_ganflow() -> Callable[[list[str]], int]:
    from ganflow import arithmetic

    arithmetic.configure(1, "portable")
    from ganflow.stages.cli import main

    package = importlib.import_module("ganflow")
    for module in pkgutil.walk_packages(package.__path__, "ganflow."):
        if module.name != "ganflow.__main__":
            importlib.import_module(module.name)
    importlib.import_module("mlflow")
    digests = importlib.import_module("ganflow.stages.digests")
    for name in [name for name in sys.modules if name.partition(".")[0] == "ganflow"]:
        digests.module_digest(name)  # kept; not `imports`, whose threads no fork has
    return main


def import_dvc() -> Callable[[list[str]], int]:
    from dvc.cli import main

    for name in ("dvc.repo.reproduce", "dvc.repo.status", "dvc.commands.repro", "dvc.output", "networkx"):
        importlib.import_module(name)
    return main


def import_job() -> Callable[[list[str]], int]:
    import_dvc()
    return run_job


def run_job(arguments: list[str]) -> int:
    """`python -m workflow.job`, with the module of the present folder."""
    sys.path.insert(0, os.getcwd())
    runpy.run_module("workflow.job", run_name="__main__", alter_sys=True)
    return 0


def import_snakemake() -> Callable[[list[str]], int]:
    from snakemake.cli import get_argument_parser, main

    get_argument_parser()  # imports the plug-ins
    for name in ("dvc.repo", "snakemake.workflow", "snakemake.scheduling.job_scheduler", "snakemake.report"):
        with suppress(ImportError):
            importlib.import_module(name)
    importlib.import_module("ganflow.stages.plan")
    return main


PROGRAMS = {"ganflow": import_ganflow, "dvc": import_dvc, "job": import_job, "snakemake": import_snakemake}


def serve(program: str, address: str, owner: str) -> None:
    """Answers requests while a process lives: each gets the process id of its command, then its wait status."""
    before, learned = dict(os.environ), Path(address + ".modules")
    main = PROGRAMS[program]()
    settled = {name: value for name, value in os.environ.items() if before.get(name) != value}  # read when imported
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait for commands
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address + ".partial")
        listening.listen(64)
        os.rename(address + ".partial", address)
        listening.settimeout(5)
        while _lives(int(owner)):
            try:
                connection, _ = listening.accept()
            except TimeoutError:
                continue
            _import_what_commands_did(learned)
            if os.fork() == 0:
                listening.close()
                _answer(connection, main, settled, learned)
            connection.close()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _import_what_commands_did(learned: Path) -> None:
    """The modules that earlier commands imported, so that later ones need not."""
    names = learned.read_text().split() if learned.exists() else []
    for name in (name for name in names if name not in sys.modules):
        with suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()


def _note_modules(known: set[str], learned: Path) -> None:
    """Adds what this command has imported to what its server will; not what lies in the command's own folder."""
    here = os.getcwd() + os.sep
    new = [name for name in sys.modules if name not in known and not name.startswith("__")]
    found = [name for name in new if not (getattr(sys.modules[name], "__file__", None) or here).startswith(here)]
    with learned.open("a") as file:
        file.write("".join(f"{name}\n" for name in found))


def _answer(
    connection: socket.socket, main: Callable[[list[str]], int], settled: dict[str, str], learned: Path
) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, descriptors, _, _ = socket.recv_fds(connection, LENGTH, 3)
    request = json.loads(_receive(connection, int.from_bytes(length, "big")))
    if not (command := os.fork()):
        connection.close()
        _run(request | {"environment": request["environment"] | settled}, descriptors, main, learned)
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


def _run(request: dict[str, Any], descriptors: list[int], main: Callable[[list[str]], int], learned: Path) -> None:
    code, known = 1, set(sys.modules)
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
        if (mask := request.get("umask")) is not None:
            os.umask(mask)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if faults := request.get("faults"):
            importlib.import_module("fault_injection.limits").impose(faults)
        sys.argv[:] = [sys.argv[1], *request["arguments"]]  # a program looks at its name
        if request.get("other_sources"):
            main = _with_sources_here(sys.argv[0]) or main
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
    with suppress(OSError):
        if not request.get("faults"):
            _note_modules(known, learned)
    os._exit(code)


def _with_sources_here(program: str) -> Callable[[list[str]], int] | None:
    """Forgets the sources that were imported, for those of the present folder; libraries stay."""
    sys.dont_write_bytecode = False  # so that they are compiled once
    for name in [name for name in sys.modules if name.partition(".")[0] == "ganflow"]:
        del sys.modules[name]
    sys.path.insert(0, os.path.abspath("src"))
    importlib.invalidate_caches()
    return importlib.import_module("ganflow.stages.cli").main if program == "ganflow" else None


def write_shims(folder: Path, addresses: dict[str, str], sources: Path) -> None:
    """Programs for PATH that hand themselves over: `dvc`, `snakemake`, `ganflow`, `python -m ganflow` and
    `-m workflow.job`."""
    folder.mkdir(parents=True, exist_ok=True)
    about = (str(Path(__file__).parents[1]), addresses, sys.executable, str(sources / "ganflow"))
    for name in ("python", "ganflow", "dvc", "snakemake"):
        shim = folder / f".{name}.{os.getpid()}"
        shim.write_text(SHIM.format(python=sys.executable, about=about, name=name))
        shim.chmod(shim.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        shim.replace(folder / name)


SHIM = """#!{python} -IS
import os, sys
support, addresses, python, sources = {about!r}
sys.path.insert(0, support)
from served.shims import hand_over
hand_over({name!r}, sys.argv[1:], addresses, python, sources)
"""


if __name__ == "__main__":
    serve(*sys.argv[1:])
