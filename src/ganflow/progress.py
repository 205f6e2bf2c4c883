"""Progress of long operations: a bar with rate and remaining time on a terminal, else a line every few seconds, which
also goes to the log file. If several processes share a terminal, as with Snakemake, one shows a bar, the others lines.
"""

import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TextIO

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field
from tqdm import tqdm

SECONDS_BETWEEN_LINES = 15.0
TERMINAL = Path("build/terminal.lock")

_log: TextIO | None = None


class RunLog(BaseModel):
    """logs/<stage>/<unit>.json: what differs between equal runs, of which these are read."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    finished: float = Field(0, ge=0, lt=1e11, description="seconds since 1970")
    seconds: float = Field(0, ge=0, lt=1e11)
    images_per_second: float = Field(0, ge=0)


def log_to(path: Path) -> None:
    """Appends all further lines of this process to a log file, with time stamps; if it can't be written, the work goes
    on without it."""
    global _log
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _log = path.open("a", encoding="utf-8")
    except OSError as error:
        log(f"{path}: not written ({error.strerror}); going on without a log")


def log(line: str, shown: bool = False) -> None:
    """Logs a line to stderr, unless it is already `shown`, and to the log file if there is one."""
    if not shown:
        print(line, file=sys.stderr, flush=True)
    if _log:
        with suppress(OSError):  # a full disk is told by the stage, and must not end what only says something
            print(time.strftime("%Y-%m-%d %H:%M:%S"), line, file=_log, flush=True)


class Progress:
    """Progress of `total` items of a `unit`, of which `done` were finished before, as after a resume."""

    def __init__(self, what: str, total: int | None, unit: str, done: int = 0):
        self.what, self.total, self.unit, self.done, self.start = what, total, unit, done, done
        self.started = self.last_line = time.monotonic()
        self.terminal = _claim_terminal()
        self.bar = tqdm(
            total=total,
            initial=done,
            desc=what,
            unit=unit if unit == "B" else f" {unit}",
            unit_scale=unit == "B",
            disable=self.terminal is None,
            dynamic_ncols=True,
        )
        if done:
            log(f"{what}: resuming from {self._amount(done)}", shown=self.terminal is not None)

    def advance(self, count: int = 1, note: str = "") -> None:
        """Counts `count` more items; `note` is shown with the progress, e.g. a loss."""
        self.done += count
        if self.terminal:
            if note:
                self.bar.set_postfix_str(note, refresh=False)
            self.bar.update(count)
        if time.monotonic() - self.last_line >= SECONDS_BETWEEN_LINES:
            self._line(note)

    def _line(self, note: str) -> None:
        self.last_line = time.monotonic()
        rate = (self.done - self.start) / max(self.last_line - self.started, 1e-9)
        share, left = "", ""
        if self.total:
            share = f" ({self.done / self.total:.0%})"
            left = f", {tqdm.format_interval((self.total - self.done) / max(rate, 1e-9))} left"
        line = f"{self.what}: {self._amount(self.done)}{share}, {self._amount(rate)}/s{left} {note}"
        log(line.rstrip(), shown=self.terminal is not None)

    def _amount(self, count: float) -> str:
        return f"{tqdm.format_sizeof(count)}B" if self.unit == "B" else f"{count:.4g} {self.unit}"

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()
        if kind is None:
            took = f"in {time.monotonic() - self.started:.1f} s"
            log(f"{self.what}: {self._amount(self.done - self.start)} {took}", shown=self.terminal is not None)
        if self.terminal:
            self.terminal.release()


def _claim_terminal() -> FileLock | None:
    """The lock for showing a bar; None without a terminal, or while another process shows one."""
    if not sys.stderr.isatty():
        return None
    TERMINAL.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(TERMINAL)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return None
    return lock
