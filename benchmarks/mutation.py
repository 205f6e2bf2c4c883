"""Mutation testing of what checks, locks and writes files: each guard removed or inverted, and judged by fast tests.

`make mutation` runs it with Cosmic Ray in an environment of its own; `--record` writes benchmarks/mutation.json, of
which `ganflow schema` makes the tables in docs/mutation.md. The mutants are made in a copy of the repository. A run
that was ended goes on from its session. The exit code is 1 if no test sees a mutant for which the record has no reason.
"""

import argparse
import hashlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cosmic_ray.plugins
from cosmic_ray.commands import init
from cosmic_ray.mutating import use_mutation
from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkItem, WorkResult

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests/support"))

from mutation.operators import GUARDS, OPERATORS, Provider  # noqa: E402 (beside this script)
from mutation.targets import MESSAGES, TARGETS, Target  # noqa: E402
from repository import copy_files  # noqa: E402

RECORD = Path(__file__).with_suffix(".json")
SESSION = TOP / "build/mutation/session.sqlite"
PREFIX = "ganflow"
GUARD_NAMES = {operator.__name__ for operator in GUARDS}
OTHERS = 0.3  # the share that is tried of mutants of bounds, numbers, constants and loops
TRIES = 3
DATES = itertools.count(1_000_000_000)  # of mutants: by date and size Python knows the bytecode of a module
LONGEST = 2.0  # seconds of a test that judges


class Judge:
    """The process that runs tests, in the project's environment, on the sources of a clone."""

    def __init__(self, python: str, clone: Path):
        command = [python, "tests/support/mutation/judge.py"]
        environment = {"PYTHONPATH": "src:tests/support", **_plain_environment()}
        self.process = subprocess.Popen(
            command, cwd=clone, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.about = self._answer()

    def verdict(self, target: Target, timeout: float, lines: tuple[int, int] | None = None) -> dict[str, Any]:
        """What a module's tests say of it as it now is: with a change in `lines`, or as it should be."""
        job = {"tests": target.tests, "module": str(target.path), "timeout": timeout, "longest": LONGEST}
        self.process.stdin.write(json.dumps(job | ({"lines": lines} if lines else {})) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the process that runs the tests has ended")
        return json.loads(line)

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def _plain_environment() -> dict[str, str]:
    """This process's variables without what it was given to find Cosmic Ray."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def chosen(items: tuple[WorkItem, ...], shares: dict[str, float]) -> Iterator[WorkItem]:
    """The mutants that are tried, a share of each kind, always the same ones; none of a message."""
    functions = {target.path: target.functions for target in TARGETS}
    for item in sorted(items, key=lambda item: str(item.mutations[0])):
        mutation = item.mutations[0]
        only = functions[mutation.module_path]
        if mutation.definition_name in (None, *MESSAGES) or only and mutation.definition_name not in only:
            continue
        place = f"{mutation.module_path} {mutation.operator_name} {mutation.occurrence}"
        if random.Random(place).random() < shares[kind(mutation)]:
            yield item


def kind(mutation: MutationSpec) -> str:
    return "guards" if mutation.operator_name.partition("/")[2] in GUARD_NAMES else "others"


def changed(before: str, after: str) -> tuple[str, str]:
    """The lines that differ, without indentation, in one line each."""
    first, second = before.splitlines(), after.splitlines()
    while first and second and first[0] == second[0]:
        del first[0], second[0]
    while first and second and first[-1] == second[-1]:
        del first[-1], second[-1]
    return tuple(" ".join(line.strip() for line in lines) for lines in (first, second))  # type: ignore[return-value]


def tried(item: WorkItem, judge: Judge, clone: Path, target: Target, timeout: float) -> WorkResult:
    """The result of one mutant: killed by a test, or survived."""
    mutation = item.mutations[0]
    operator = OPERATORS[mutation.operator_name.partition("/")[2]]()
    with use_mutation(clone / mutation.module_path, operator, mutation.occurrence) as (before, after):
        os.utime(clone / mutation.module_path, (date := next(DATES), date))
        lines = (mutation.start_pos[0], mutation.end_pos[0])
        for _ in range(TRIES):  # a test that waits for a server fails now and then on a busy machine
            found = judge.verdict(target, timeout, lines)
            if not found["killed"] or "::" not in found["by"]:
                break
            if judge.verdict(target._replace(tests=(found["by"],)), timeout, lines)["killed"]:
                break
    return WorkResult(
        WorkerOutcome.NORMAL,
        output=found["by"],
        test_outcome=TestOutcome.KILLED if found["killed"] else TestOutcome.SURVIVED,
        diff="\n".join(changed(before, after)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="of the project's environment, which runs the tests")
    parser.add_argument("--modules", nargs="+", default=[target.module for target in TARGETS])
    parser.add_argument("--guards", type=float, default=1, help="the share that is tried of the mutants of guards")
    parser.add_argument("--others", type=float, default=OTHERS, help="the share that is tried of other mutants")
    parser.add_argument("--again", action="store_true", help="judge survivors of the last session again")
    parser.add_argument("--count", action="store_true", help="only count the mutants")
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.name}")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # through all that must be put back
    cosmic_ray.plugins.OPERATOR_PROVIDERS = {PREFIX: Provider()}
    targets = [target for target in TARGETS if target.module in options.modules]
    began = time.monotonic()
    SESSION.parent.mkdir(parents=True, exist_ok=True)
    os.chdir(TOP)  # of the paths in a session
    with use_db(str(session())) as database, tempfile.TemporaryDirectory(prefix="ganflow-mutation-") as name:
        if not database.num_work_items:
            init([target.path for target in TARGETS], database, {})
            kept = list(chosen(database.work_items, {"guards": 1, "others": 1}))
            database.clear()
            database.add_work_items(kept)
        work = list(chosen(database.work_items, {"guards": options.guards, "others": options.others}))
        results = dict(database.results)
        for target in targets:
            mine = [item for item in work if item.mutations[0].module_path == target.path]
            counts = Counter(kind(item.mutations[0]) for item in mine)
            print(f"{target.module}: {counts['guards']} mutants of guards, {counts['others']} others", flush=True)
        if options.count:
            return
        clone = copy_files(Path(name))
        judge = Judge(options.python, clone)
        for target in targets:
            mine = [item for item in work if item.mutations[0].module_path == target.path]
            todo = [
                item for item in mine if item.job_id not in results or options.again and survived(results[item.job_id])
            ]
            if not todo:
                continue
            for _ in range(TRIES):
                if not (whole := judge.verdict(target, 900))["killed"]:
                    break
            else:
                raise SystemExit(f"{target.module}: without any change, {whole['by']} fails")
            seconds = whole["seconds"]
            print(f"{target.module}: its tests take {seconds:.1f} s; {len(todo)} of {len(mine)} mutants", flush=True)
            for item in todo:
                result = results[item.job_id] = tried(item, judge, clone, target, 10 + 2 * seconds)
                database.set_result(item.job_id, result)
                if survived(result):
                    line = item.mutations[0].start_pos[0]
                    print(
                        f"  {target.path}:{line}: {item.mutations[0].operator_name}: survives:\n{result.diff}",
                        flush=True,
                    )
        judge.end()
    mine = {target.path for target in targets}
    tried_ones = [item for item in work if item.mutations[0].module_path in mine and item.job_id in results]
    found = [(item.mutations[0], results[item.job_id]) for item in tried_ones]
    seen = sum(not survived(result) for _, result in found)
    print(f"{seen} of {len(found)} mutants fail a test; {time.monotonic() - began:.0f} s")
    if options.record:
        record(found, judge.about)
    unknown = [one for one in survivors(found, recorded()) if not one["why"]]
    for one in unknown:
        print(f"{one['module']}:{one['line']}: no test fails: {one['source']} -> {one['mutant']}")
    sys.exit(bool(unknown))


def session() -> Path:
    """The file of the mutants of the present sources, and of what became of them."""
    sources = [*(target.path for target in TARGETS), Path("tests/support/mutation/operators.py")]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    return SESSION.with_stem(f"session-{digest[:12]}")


def survived(result: WorkResult) -> bool:
    return result.test_outcome == TestOutcome.SURVIVED


def survivors(found: list[tuple[MutationSpec, WorkResult]], before: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that no test sees, each with the reason that was written for it into the record."""
    reasons = {(one["module"], one["source"], one["mutant"]): one["why"] for one in before["survivors"]}
    those = []
    for mutation, result in found:
        if survived(result):
            module, (source, mutant) = module_of(mutation), result.diff.split("\n")
            one = {
                "module": module,
                "line": mutation.start_pos[0],
                "operator": mutation.operator_name.partition("/")[2],
            }
            those.append(one | {"source": source, "mutant": mutant, "why": reasons.get((module, source, mutant), "")})
    return those


def module_of(mutation: MutationSpec) -> str:
    return mutation.module_path.relative_to("src/ganflow").as_posix()


def recorded() -> dict[str, Any]:
    """The record, or an empty one."""
    return json.loads(RECORD.read_text()) if RECORD.exists() else {"modules": {}, "survivors": []}


def record(found: list[tuple[MutationSpec, WorkResult]], about: dict[str, str]) -> None:
    """Writes counts and survivors; those of modules that were not tried stay."""
    before = recorded()
    modules: dict[str, dict[str, dict[str, int]]] = {}
    for mutation, result in found:
        counts = modules.setdefault(module_of(mutation), {}).setdefault(kind(mutation), {"n": 0, "killed": 0})
        counts["n"] += 1
        counts["killed"] += not survived(result)
    kept = [one for one in before["survivors"] if one["module"] not in modules]
    those = [*kept, *survivors(found, before)]
    those.sort(key=lambda one: (one["module"], one["line"], one["operator"], one["mutant"]))
    about = {"tool": f"cosmic-ray {version('cosmic-ray')}"} | about
    content = {"about": about, "modules": dict(sorted((before["modules"] | modules).items())), "survivors": those}
    RECORD.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
