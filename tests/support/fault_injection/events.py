"""Events of a process: each time that it opens a file for writing, writes, syncs, renames, deletes, makes a folder, or
changes a database. At one of them the process kills itself, or from one of them on, its disk is full.

Events are seen from inside, by Python's audit hook and by wrapped functions: what C libraries write by themselves, such
as LMDB's pages, lies between two events. A write is cut in the middle: half of it is in the file.
"""

import builtins
import errno
import io
import os
import signal
import sqlite3
import sys
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

RENAME, UNLINK, MKDIR, OPEN, WRITE, SYNC, SQL = "rename", "unlink", "mkdir", "open", "write", "fsync", "SQL"
AUDITED = {"os.rename": RENAME, "os.remove": UNLINK, "os.rmdir": UNLINK, "os.mkdir": MKDIR}
AUDITED |= {"os.link": RENAME, "os.symlink": RENAME, "os.truncate": WRITE, "shutil.rmtree": UNLINK}
CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
TAKES_SPACE = {OPEN, WRITE, MKDIR}
STATEMENTS = ("INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "REPLACE", "COMMIT")
SOURCES = f"{os.sep}ganflow{os.sep}"

_raw_open, _raw_write, _raw_sync, _raw_sendfile = io.open, os.write, os.fsync, os.sendfile
_raw_connect = sqlite3.connect


class Watch:
    """The events of this process in its present folder, in order, and what happens at the one that is due."""

    def __init__(self, kill_at: int = 0, full_from: int = 0, record: Path | None = None):
        """`kill_at`, `full_from`: the event, counted from 1, at which this process dies or from which its disk is full;
        `record`: a file for a line per event: kind, path, and the place in the code."""
        self.kill_at, self.full_from = kill_at, full_from
        self.top, self.process, self.count = os.getcwd() + os.sep, os.getpid(), 0
        self.lock = threading.RLock()
        self.record = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) if record else None

    def start(self) -> None:
        """From here on events count; there is no way back."""
        builtins.open = io.open = tarfile.bltn_open = self._open  # type: ignore[attr-defined]
        os.write, os.fsync, os.sendfile = self._write, self._sync, self._sendfile
        sqlite3.connect = sqlite3.dbapi2.connect = self._connect
        sys.addaudithook(self._audit)

    def seen(self, path: Any) -> str | None:
        """A path or descriptor as a path relative to the watched folder; None outside it."""
        if self.process != os.getpid():
            return None
        try:
            name = os.readlink(f"/proc/self/fd/{path}") if isinstance(path, int) else os.fsdecode(path)
        except (OSError, TypeError):
            return None
        full = os.path.abspath(name)
        return full[len(self.top) :] if full.startswith(self.top) and "__pycache__" not in full else None

    def happens(self, kind: str, path: str, half: Callable[[], None] | None = None) -> None:
        """Counts an event; `half` does a part of it, before a kill in its middle."""
        with self.lock:
            self.count += 1
            if self.record is not None:
                _raw_write(self.record, f"{kind}\t{path}\t{_place()}\n".encode())
            if self.count == self.kill_at:
                if half:
                    half()
                os.kill(self.process, signal.SIGKILL)
            if self.full_from and self.count >= self.full_from and kind in TAKES_SPACE:
                named = () if kind == WRITE else (path,)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *named)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & CHANGING and (name := self.seen(path)):
                self.happens(OPEN, name)
        elif event in AUDITED:
            moved = event in ("os.rename", "os.link", "os.symlink")
            if name := self.seen(arguments[1 if moved else 0]):
                self.happens(AUDITED[event], name)

    def _connect(self, database: Any, *rest: Any, **options: Any) -> sqlite3.Connection:
        connection = _raw_connect(database, *rest, **options)
        if name := self.seen(database):
            connection.set_trace_callback(lambda statement: self._statement(statement, name))
        return connection

    def _statement(self, statement: str, name: str) -> None:
        if statement.lstrip().upper().startswith(STATEMENTS):
            self.happens(SQL, name)

    def _open(self, file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **options: Any) -> Any:
        name = self.seen(file) if set(mode) & set("wax+") else None
        if name is None or buffering == 0:
            return _raw_open(file, mode, buffering, *rest, **options)
        names = ("encoding", "errors", "newline", "closefd", "opener")
        chosen = dict(zip(names, rest, strict=False)) | options
        raw = io.FileIO(
            file, mode.replace("b", "").replace("t", ""), chosen.pop("closefd", True), chosen.pop("opener", None)
        )
        buffered: Any = (_RandomAccess if "+" in mode else _Writer)(raw)
        buffered.watched = (self, name)
        if "b" in mode:
            return buffered
        text = io.TextIOWrapper(buffered, **chosen, line_buffering=buffering == 1)
        text.mode = mode  # type: ignore[misc]
        return text

    def _write(self, descriptor: int, data: Any) -> int:
        if name := self.seen(descriptor):
            self.happens(WRITE, name, lambda: _raw_write(descriptor, _half(data)) and None)
        return _raw_write(descriptor, data)

    def _sync(self, descriptor: Any) -> None:
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        if name := self.seen(number):
            self.happens(SYNC, name)
        _raw_sync(descriptor)

    def _sendfile(self, out: int, source: int, offset: Any, count: int) -> int:
        if name := self.seen(out):
            size = os.fstat(source).st_size
            self.happens(WRITE, name, lambda: _raw_sendfile(out, source, offset, size // 2) and None)
        return _raw_sendfile(out, source, offset, count)


class _Counted:
    """A buffered file whose writes are events."""

    watched: tuple[Watch, str]

    def write(self, data: Any) -> int:
        watch, name = self.watched

        def half() -> None:
            super(_Counted, self).write(_half(data))  # type: ignore[misc]
            self.flush()  # type: ignore[attr-defined]

        if watch.process == os.getpid():
            watch.happens(WRITE, name, half)
        return super().write(data)  # type: ignore[misc,no-any-return]


class _Writer(_Counted, io.BufferedWriter):
    pass


class _RandomAccess(_Counted, io.BufferedRandom):
    pass


def _half(data: Any) -> bytes:
    content = bytes(data)
    return content[: len(content) // 2]


def _place() -> str:
    """`module:function` of the innermost caller in ganflow, else of the innermost outside this file."""
    frame, innermost = sys._getframe(2), ""
    while frame:
        file = frame.f_code.co_filename
        found = f"{Path(file).stem}:{frame.f_code.co_name}"
        if SOURCES in file and file != __file__:
            return found
        innermost = innermost or (found if file != __file__ else "")
        frame = frame.f_back
    return innermost
