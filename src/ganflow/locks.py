"""Locks between processes, so that nothing has two writers.

A lock is the kernel's (flock) on a file that says which process holds it: it ends with that process, however it ends.
"""

import errno
import fcntl
import os
import platform
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from ganflow.errors import UserError

PATIENCE = 2.0  # seconds that a process which is about to end is given
POLL = 0.05  # seconds
LONGEST = 300  # characters that are read of a lock file
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class Holder(NamedTuple):
    """A process that holds a lock, as its lock file says."""

    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"

    @property
    def end(self) -> str:
        """How to end it."""
        return f"`kill {self.pid}`" if self.host == platform.node() else f"`kill {self.pid}` on {self.host}"


@contextmanager
def held(
    path: Path, what: str, say: Callable[[str], None] | None = None, patience: float | None = None
) -> Iterator[None]:
    """Holds the lock of a file. If another process has it for `patience` seconds (PATIENCE), `say` is told, and it is
    waited for; without `say`, raises UserError. Both call the work `what`."""
    patience = PATIENCE if patience is None else patience
    path.parent.mkdir(parents=True, exist_ok=True)
    began, told = time.monotonic(), False
    while (file := _locked(path)) is None:
        if not told and time.monotonic() - began > patience:
            holder = _named(path)
            who, end = (str(holder), f" with {holder.end}") if holder else (f"another process ({path})", "")
            if say is None:
                raise UserError(f"{what}: {who}, is at it; wait until it is done, or end it{end}, and run this again")
            say(f"{what}: waiting for {who}, which is at it; it can be ended{end}")
            told = True
        time.sleep(POLL)
    with file:
        file.truncate(0)
        file.write(f"{os.getpid()} {platform.node() or 'this machine'} {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def holder(path: Path) -> str | None:
    """The process that holds the lock of a file, in words; None if none does."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return str(_named(path) or "another process")
    return None


def _locked(path: Path) -> TextIO | None:
    """The file with its lock; None while another process has it."""
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError as error:
        file.close()
        if error.errno not in NO_LOCKS:
            raise
        raise UserError(
            f"{path}: its file system has no locks ({error.strerror}); move the clone to a local disk, or mount it "
            "with locks (Lustre: -o flock)"
        ) from None
    file.close()  # of another process, or of one that has deleted the file in the meantime
    return None


def _named(path: Path) -> Holder | None:
    try:
        with path.open(errors="replace") as file:
            found = re.fullmatch(r"(\d{1,9}) (\S+) ([\d-]{10} [\d:]{8})\n", file.read(LONGEST))
    except FileNotFoundError:
        return None
    return Holder(int(found[1]), found[2], found[3]) if found else None
