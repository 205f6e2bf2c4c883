"""What a process is denied: by limits, without privileges, or at events."""

import ctypes
import resource
import signal
from pathlib import Path
from typing import Any

from fault_injection.events import Watch

CAPABILITIES = 0x20080522  # version 3 of Linux's capability sets, of two words each


def impose(faults: dict[str, Any]) -> None:
    """In this process from here on: limits (RLIMIT_...: value), bytes of memory more than now, no privileges, and
    events that kill or fail."""
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
        Watch(**events).start()


def drop_privileges() -> None:
    """From here on, permissions hold for this process even if root runs it."""
    header, none = (ctypes.c_uint32 * 2)(CAPABILITIES, 0), (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None, use_errno=True).capset(header, none):
        raise OSError(ctypes.get_errno(), "capset")
