"""In which order files are synced, renamed and linked: what a power cut may do to them depends on it."""

import os
from pathlib import Path

import pytest

CALLS = ("fsync", "replace", "rename", "link")


def recorded(patch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """A list to which each of these calls of this process adds its name and the names of its files, as it begins."""
    seen: list[tuple[str, ...]] = []

    def named(file: object) -> str:
        return Path(os.readlink(f"/proc/self/fd/{file}") if isinstance(file, int) else os.fspath(file)).name

    def wrapped(call: str, function):
        def calling(*files, **options):
            seen.append((call, *map(named, files)))
            return function(*files, **options)

        return calling

    for call in CALLS:
        patch.setattr(os, call, wrapped(call, getattr(os, call)))
    return seen


def open_files() -> int:
    """How many this process has open."""
    return len(os.listdir("/proc/self/fd"))
