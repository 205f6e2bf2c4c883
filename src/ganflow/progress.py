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
        scale = unit == "B"
        self.bar = tqdm(
            total=total, initial=done, desc=what, unit=unit if scale else f" {unit}", unit_scale=scale, file=sys.stderr,
            disable=not self.terminal, dynamic_ncols=True,
        )  # fmt: skip

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
        of_total, left = "", ""
        if self.total:
            of_total = f"/{self.total}"
            left = f", {tqdm.format_interval((self.total - self.done) / max(rate, 1e-9))} left"
        print(f"{self.what}: {self.done}{of_total} {self.unit}, {rate:.4g} {self.unit}/s{left} {note}".rstrip(),
              file=sys.stderr, flush=True)  # fmt: skip

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.bar.close()
        if not self.terminal and kind is None:
            seconds = time.monotonic() - self.began
            print(f"{self.what}: {self.done} {self.unit} in {seconds:.1f} s", file=sys.stderr, flush=True)
