"""Runs the tests that judge a mutant, each time in a child of a process that has imported what all of them need.

Reads jobs and writes verdicts, one JSON object a line, on its standard input and output. A job: {tests: [arguments of
pytest], module: path, lines: [first, last] that differ, timeout: seconds, longest: seconds of a test that judges}. A
verdict: {killed, by: the test, seconds, n: tests}. A job without lines is of the module as it is: its tests are timed,
and which lines they run is noted; after it, mutants are judged by the tests that run their lines, quick ones first.
"""

import compileall
import contextlib
import gc
import importlib
import json
import os
import platform
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest

from ganflow import arithmetic

IMPORTED = (  # "torch._dynamo" takes the first optimiser some seconds
    *("numpy", "scipy.linalg", "torch", "torch._dynamo", "safetensors.torch", "PIL.Image", "lmdb", "requests", "tqdm"),
    *("pydantic", "ruamel.yaml", "filelock", "grimp", "hypothesis.extra.numpy", "xdist"),
)
OPTIONS = ["-x", "-q", "--assert=plain", "--durations=0", "-pxdist.plugin"]
OPTIONS += [f"-pno:{plugin}" for plugin in ("cacheprovider", "unraisableexception", "threadexception")]
SHARED = "built once"  # the folder of what tests build once, beside their own


class Known(NamedTuple):
    """What tests did with a module as it is: seconds of each, and who ran each line: tests; "" for an import."""

    seconds: dict[str, float]
    runners: dict[int, list[str]]


class Plugin:
    """Chooses the tests of a job, and notes what they do."""

    def __init__(self, job: dict[str, Any], known: Known, shared: Path):
        self.job, self.known, self.shared = job, known, shared
        self.module, self.first = str(Path(job["module"]).resolve()), "lines" not in job
        self.seconds: dict[str, float] = {}
        self.runners: dict[int, set[str]] = {}
        self.running, self.failed = "", ""

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        base = session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # before any fixture asks
        (base / SHARED).symlink_to(self.shared)
        if self.first:
            sys.settrace(self._called)
            threading.settrace(self._called)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.first:
            return
        start, end = self.job["lines"]
        runners = {runner for line in range(start, end + 1) for runner in self.known.runners.get(line, ())}
        seconds = self.known.seconds
        items[:] = [
            item
            for item in items
            if seconds.get(item.nodeid, 0) <= self.job["longest"]
            and ("" in runners or item.nodeid in runners or str(item.path) in runners)
        ]
        items.sort(key=lambda item: seconds.get(item.nodeid, 0))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.running = item.nodeid
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: pytest.FixtureRequest) -> Iterator[None]:
        test = self.running
        if fixturedef.scope == "session":  # what is built once is there when mutants are judged
            self.running = SHARED
        elif fixturedef.scope != "function":
            self.running = str(request.path)
        try:
            return (yield)
        finally:
            self.running = test

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration * (report.when == "call")
        self._note_failure(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note_failure(report)

    def _note_failure(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def _called(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._line if frame.f_code.co_filename == self.module else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        self.runners.setdefault(frame.f_lineno, set()).add(self.running)
        return self._line


def judged(job: dict[str, Any], known: Known, top: Path) -> dict[str, Any]:
    """The verdict on the sources as they now are."""
    base, answer, began = top / "tests", top / "answer.json", time.monotonic()
    answer.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        os.setsid()
        said = os.open(top / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(said, 1)
        os.dup2(said, 2)
        plugin = Plugin(job, known, top / SHARED)
        code = int(pytest.main([*OPTIONS, f"--basetemp={base}", *job["tests"]], [plugin]))
        runners = {line: sorted(tests) for line, tests in plugin.runners.items()}
        found = {"code": code, "by": plugin.failed, "seconds": plugin.seconds, "runners": runners}
        answer.write_text(json.dumps(found))
        os._exit(0)
    while not os.waitpid(child, os.WNOHANG)[0]:
        if time.monotonic() - began > job["timeout"]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            break
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):  # what the tests left running
        os.killpg(child, signal.SIGKILL)
    seconds = time.monotonic() - began
    if not answer.exists():
        return {"killed": True, "by": "timeout" if seconds > job["timeout"] else "a crash", "seconds": seconds}
    found = json.loads(answer.read_text())
    if "lines" not in job:
        known.seconds.update(found["seconds"])
        known.runners.clear()
        known.runners.update({int(line): tests for line, tests in found["runners"].items()})
    nothing = found["code"] == pytest.ExitCode.NO_TESTS_COLLECTED
    by = "no test runs it" if nothing else found["by"]
    return {"killed": bool(found["code"]) and not nothing, "by": by, "seconds": seconds, "n": len(found["seconds"])}


def main() -> None:
    arithmetic.configure(1, "portable")
    for name in IMPORTED:
        importlib.import_module(name)
    about = {"cpu": arithmetic.cpu()[0], "python": platform.python_version(), "pytest": pytest.__version__}
    for name in [name for name in sys.modules if name.partition(".")[0] == "ganflow"]:
        del sys.modules[name]  # a child imports the mutant
    for folder in ("src", "tests"):
        compileall.compile_dir(folder, quiet=1)
    sys.dont_write_bytecode = True
    os.environ |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    gc.freeze()
    print(json.dumps(about), flush=True)
    known = Known({}, {})
    with tempfile.TemporaryDirectory(prefix="ganflow-judge-", ignore_cleanup_errors=True) as name:
        (Path(name) / SHARED).mkdir()
        for line in sys.stdin:
            print(json.dumps(judged(json.loads(line), known, Path(name))), flush=True)


if __name__ == "__main__":
    main()
