"""Progress of long work: a bar with rate and time left on a terminal, a plain line now and then elsewhere."""

import sys
import time
from types import TracebackType

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 15.0


class Progress:
    """Counts up to `total` things of a `unit`; `done` of them were there at the start, as after a resume."""

    def __init__(self, what: str, total: int | None, unit: str, done: int = 0):
        self.what, self.total, self.unit, self.done, self.start = what, total, unit, done, done
        self.terminal = sys.stderr.isatty()
        self.began = self.spoke = time.monotonic()
        self.bar = tqdm(
            total=total,
            initial=done,
            desc=what,
            unit=unit if unit == "B" else f" {unit}",
            unit_scale=unit == "B",
            disable=not self.terminal,
            dynamic_ncols=True,
        )

    def advance(self, count: int = 1, note: str = "") -> None:
        """Counts `count` more; `note` says how it goes (a loss, say)."""
        self.done += count
        if self.terminal:
            if note:
                self.bar.set_postfix_str(note, refresh=False)
            self.bar.update(count)
        elif time.monotonic() - self.spoke >= SECONDS_BETWEEN_LINES:
            self._line(note)

    def _line(self, note: str) -> None:
        self.spoke = time.monotonic()
        rate = (self.done - self.start) / max(self.spoke - self.began, 1e-9)
        share, left = "", ""
        if self.total:
            share = f" ({self.done / self.total:.0%})"
            left = f", {tqdm.format_interval((self.total - self.done) / max(rate, 1e-9))} left"
        line = f"{self.what}: {self._amount(self.done)}{share}, {self._amount(rate)}/s{left} {note}"
        print(line.rstrip(), file=sys.stderr, flush=True)

    def _amount(self, count: float) -> str:
        return f"{tqdm.format_sizeof(count)}B" if self.unit == "B" else f"{count:.4g} {self.unit}"

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()
        if not self.terminal and kind is None:
            took = f"in {time.monotonic() - self.began:.1f} s"
            print(f"{self.what}: {self._amount(self.done - self.start)} {took}", file=sys.stderr, flush=True)
