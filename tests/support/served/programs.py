"""Commands in a clone, with faults if asked for, through servers that have imported the programs."""

import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from served import server, shims

SUPPORT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Done:
    """How a command ended: its exit code, negative for the signal that killed it, and what it said."""

    code: int
    said: str

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL

    @property
    def sentence(self) -> bool:
        """Whether it refused as promised: code 2, or an engine's, and no traceback."""
        return self.code not in (0, -signal.SIGKILL) and "Traceback" not in self.said


class Running:
    """A command that was started; what it says goes through a pipe, which no limit of file sizes cuts."""

    def __init__(self, address: str, request: dict[str, Any]):
        reading, writing = os.pipe()
        with open(os.devnull) as nothing:
            self.connection, self.process = shims.ask(address, request, [nothing.fileno(), writing, writing])
        os.close(writing)
        self.said: list[bytes] = []
        self.listener = Thread(target=self._listen, args=(reading,))
        self.listener.start()

    def _listen(self, reading: int) -> None:
        with open(reading, "rb") as pipe:
            self.said.append(pipe.read())

    def end(self, seconds: float = 600) -> Done:
        """Waits for the end; kills the command's whole session after some seconds, which fails."""
        self.connection.settimeout(seconds)
        try:
            status, self.seconds = shims.wait(self.connection)
        except TimeoutError:
            os.killpg(self.process, signal.SIGKILL)
            raise
        self.listener.join()
        return Done(os.waitstatus_to_exitcode(status), self.said[0].decode(errors="replace"))


class Programs:
    """Servers of ganflow, DVC and Snakemake with the sources of a clone, for it and its copies, started when needed.

    Processes that name the same folder and owner share them: the first that needs one starts it, and it ends with the
    owner.
    """

    def __init__(self, folder: Path, sources: Path, environment: dict[str, str], owner: int | None = None):
        self.folder, self.sources, self.numbers, self.starting = folder, sources, itertools.count(), Lock()
        self.owner = owner or os.getpid()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.seconds = 0.0  # that commands have computed, without those that engines started
        self.addresses = {name: str(folder / name) for name in server.PROGRAMS}
        server.write_shims(folder / "bin", self.addresses, sources)
        self.environment = self.serving(environment) | {
            "PYTHONPATH": f"{sources}:{SUPPORT}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
        }

    def serving(self, environment: dict[str, str]) -> dict[str, str]:
        """An environment in which commands of a shell go to these servers."""
        return environment | {"PATH": f"{self.folder / 'bin'}:{environment['PATH']}"}

    def address(self, program: str) -> str:
        """The address of a program's server, once it answers; those that it starts itself answer too."""
        names = list(server.PROGRAMS)
        needed = names[: names.index(program) + 1]
        with self.starting:
            self._start(needed)
            for name in needed:
                while not Path(self.addresses[name]).exists():
                    started = self.processes.get(name)
                    assert started is None or started.poll() is None, f"{name}: the server ended"
                    time.sleep(0.05)
        return self.addresses[program]

    def start_all(self) -> None:
        """Starts every server without waiting for it; the programs on PATH wait."""
        self._start(list(server.PROGRAMS))

    def _start(self, names: list[str]) -> None:
        for name in names:
            with suppress(FileExistsError):  # it has been started
                (self.folder / f"{name}.started").touch(exist_ok=False)
                command = [sys.executable, "-m", "served.server", name, self.addresses[name], str(self.owner)]
                self.processes[name] = subprocess.Popen(command, cwd=self.sources.parent, env=self.environment)

    def start(self, folder: Path, command: str, faults: dict[str, Any] | None = None) -> Running:
        """Starts `ganflow ...`, `dvc ...` or `snakemake ...` in a folder."""
        name, *arguments = command.split()
        request = {
            "arguments": arguments,
            "folder": str(folder),
            "environment": self.environment,
            "faults": faults,
        }
        return Running(self.address(name), request)

    def run(self, folder: Path, command: str, faults: dict[str, Any] | None = None) -> Done:
        """Runs a command to its end."""
        running = self.start(folder, command, faults)
        done = running.end()
        self.seconds += running.seconds
        return done

    def events(self, folder: Path, command: str) -> list[tuple[str, str, str]]:
        """(kind, path, place in the code) of every event of a command that runs to its end."""
        record = self.folder / f"events-{os.getpid()}-{next(self.numbers)}"
        done = self.run(folder, command, {"events": {"record": str(record)}})
        assert done.code == 0, f"{command}: {done.said}"
        return [tuple(line.split("\t")) for line in record.read_text().splitlines()]  # type: ignore[misc]

    def close(self) -> None:
        for process in self.processes.values():
            process.terminate()
            process.wait()


@contextmanager
def programs(sources: Path, environment: dict[str, str]) -> Iterator[Programs]:
    """Servers that are ended at the end, in a folder whose name is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="ganflow-") as folder:
        started = Programs(Path(folder), sources, environment)
        try:
            yield started
        finally:
            started.close()
