"""Progress of long work: a bar with rate and time left on a terminal, a plain line now and then elsewhere and in the
log file. Of several processes on one terminal, as Snakemake starts them, one draws its bar and the others write lines.
"""

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TextIO

from filelock import FileLock, Timeout
from tqdm import tqdm

SECONDS_BETWEEN_LINES = 15.0
TERMINAL = Path("build/terminal.lock")

_log: TextIO | None = None


def log_to(path: Path) -> None:
    """From now on, what is said in this process goes to the end of a log file too, with the time of day."""
    global _log
    path.parent.mkdir(parents=True, exist_ok=True)
    _log = path.open("a", encoding="utf-8")


def log(line: str, shown: bool = False) -> None:
    """A line for the user, on stderr unless it is `shown` already, and in the log file if there is one."""
    if not shown:
        print(line, file=sys.stderr, flush=True)
    if _log:
        print(time.strftime("%Y-%m-%d %H:%M:%S"), line, file=_log, flush=True)


class Progress:
    """Counts up to `total` things of a `unit`; `done` of them were there at the start, as after a resume."""

    def __init__(self, what: str, total: int | None, unit: str, done: int = 0):
        self.what, self.total, self.unit, self.done, self.start = what, total, unit, done, done
        self.began = self.spoke = time.monotonic()
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
            log(f"{what}: going on from {self._amount(done)}", shown=self.terminal is not None)

    def advance(self, count: int = 1, note: str = "") -> None:
        """Counts `count` more; `note` says how it goes (a loss, say)."""
        self.done += count
        if self.terminal:
            if note:
                self.bar.set_postfix_str(note, refresh=False)
            self.bar.update(count)
        if time.monotonic() - self.spoke >= SECONDS_BETWEEN_LINES:
            self._line(note)

    def _line(self, note: str) -> None:
        self.spoke = time.monotonic()
        rate = (self.done - self.start) / max(self.spoke - self.began, 1e-9)
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
            took = f"in {time.monotonic() - self.began:.1f} s"
            log(f"{self.what}: {self._amount(self.done - self.start)} {took}", shown=self.terminal is not None)
        if self.terminal:
            self.terminal.release()


def _claim_terminal() -> FileLock | None:
    """The right to draw a bar, held until it is released; None without a terminal, or while another process draws."""
    if not sys.stderr.isatty():
        return None
    TERMINAL.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(TERMINAL)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return None
    return lock
