"""A computing process beside others on the same cores, and its memory. Neither changes a bit of a result.

The threads of libgomp, torch's OpenMP library, wait for each other by spinning. Alone that is the fastest way; beside
another process it takes the cores from the threads that are waited for, and both become up to tenfold slower. libgomp
spins 300 times shorter while a process has more OpenMP threads than cores (its manual, GOMP_SPINCOUNT). So while this
process is interrupted often, a second pool of threads, which does nothing, makes it have more.
"""

import ctypes
import resource
import threading
from collections.abc import Callable

INTERVAL = 1.0  # seconds between two looks
CONTENDED = 150  # interruptions a second; alone there are up to 100, of the system's own processes
QUIET = 5  # intervals below CONTENDED after which the cores count as free again
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


def share_cores(threads: int, parallel: Callable[[], object]) -> None:
    """From now on, waits shortly while other processes compute; `parallel` runs something on all OpenMP threads."""
    if threads > 1:
        threading.Thread(target=_watch, args=(parallel,), name="cpu_sharing", daemon=True).start()


def keep_freed_memory() -> None:
    """Makes glibc keep freed memory for the next allocation: a page that is new to the process costs more to clear than
    a network's layer to compute. Elsewhere it does nothing."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def _watch(parallel: Callable[[], object]) -> None:
    pool: IdlePool | None = None
    quiet, before = 0, _interruptions()
    while True:
        threading.Event().wait(INTERVAL)
        before, last = _interruptions(), before
        contended = before - last > CONTENDED * INTERVAL
        quiet = 0 if contended else quiet + 1
        if contended and pool is None:
            pool = IdlePool(parallel)
        elif pool is not None and quiet == QUIET:
            pool.close()
            pool = None


def _interruptions() -> int:
    """How often the system has taken a core from a thread of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


class IdlePool:
    """OpenMP threads that do nothing after their first work, `parallel`, until they are closed."""

    def __init__(self, parallel: Callable[[], object]):
        self._closed = threading.Event()
        self._owner = threading.Thread(target=self._own, args=(parallel,), name="idle_pool", daemon=True)
        self._owner.start()

    def _own(self, parallel: Callable[[], object]) -> None:
        parallel()  # a thread's first parallel work creates its pool, which ends with the thread
        self._closed.wait()

    def close(self) -> None:
        """Ends the threads."""
        self._closed.set()
        self._owner.join()
