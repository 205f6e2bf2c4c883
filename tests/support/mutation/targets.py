"""What is mutated: the modules that check, lock and write files, each with the tests that judge it."""

from pathlib import Path
from typing import NamedTuple

MESSAGES = {"_about_folder", "_advice", "_listed", "_verdict"}  # functions that word a message
UNIT = "tests/unit"


class Target(NamedTuple):
    """A module, its tests, and, if not all, its functions that are changed."""

    module: str
    tests: tuple[str, ...]
    functions: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        return Path("src/ganflow") / self.module


TARGETS = (
    Target("artifacts.py", (f"{UNIT}/test_artifacts.py",)),
    Target("locks.py", (f"{UNIT}/test_locks.py",)),
    Target(
        "data/fetching.py",
        tuple(f"{UNIT}/data/test_{name}.py" for name in ("fetching", "http_transfer", "mirrors", "sources")),
    ),
    Target(
        "data/reader.py",
        tuple(
            f"{UNIT}/data/test_{name}.py"
            for name in ("reader", "order", "forged_shards", "shards", "points", "conditions")
        ),
    ),
    Target(
        "data/condition_reader.py", tuple(f"{UNIT}/data/test_{name}.py" for name in ("condition_reader", "conditions"))
    ),
    Target(
        "data/shard_members.py",
        tuple(
            f"{UNIT}/data/test_{name}.py"
            for name in ("shard_members", "forged_shards", "reader", "shards", "conditions")
        ),
    ),
    Target("training/state.py", (f"{UNIT}/training/test_state.py",)),
    Target("training/written_files.py", (f"{UNIT}/training/test_written_files.py",)),
    Target("stages/execution.py", (f"{UNIT}/stages/test_execution.py",)),
    Target("stages/inputs.py", (f"{UNIT}/stages/test_inputs.py",)),
    Target("stages/verify.py", (f"{UNIT}/stages/test_verify.py",)),
    Target("stages/cli.py", (f"{UNIT}/stages/test_cli.py",), ("_run",)),
    Target("stages/train.py", (f"{UNIT}/stages/test_train.py",), ("run",)),
)
