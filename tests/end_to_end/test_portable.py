"""Portable arithmetic: the same bytes natively and on emulated CPUs of other vendors, sizes of cache and years.

`make portable` runs every component, metric and stage on three CPUs with one and two threads, for more than an hour,
and prints what it saw; here, one run on one CPU. qemu-user emulates AVX2 and FMA exactly, and no AVX-512:
what it shows is that no bit depends on the vendor, the model or the caches of a CPU.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from repository import TOP, environment_of

pytestmark = pytest.mark.slow
LONG = os.environ.get("GANFLOW_PORTABLE") == "long"
QEMU = shutil.which("qemu-x86_64")
EMULATED = {"Haswell-v4": "Intel, 2013", "Skylake-Client-v3": "Intel, 2015", "EPYC-Rome-v2": "AMD, 2019"}
WAITING = {"OMP_WAIT_POLICY": "PASSIVE"}  # threads that wait leave the core to others
NATIVE = "this CPU"
PLANS = [(name, threads) for name in ("components", "tiny") for threads in (1, 2)] if LONG else [("quick", 1)]
CPUS = list(EMULATED) if LONG else ["EPYC-Rome-v2"]


def started(folder: Path, cpu: str, name: str, threads: int) -> subprocess.Popen[bytes]:
    """The experiment in a folder of its own, on an emulated CPU unless `cpu` is NATIVE."""
    folder.mkdir(parents=True)
    emulator = [] if cpu == NATIVE else [QEMU, "-cpu", cpu]
    command = [*emulator, sys.executable, TOP / "tests/support/portable_runs.py", name, str(threads)]
    with (folder / "said.txt").open("wb") as said:
        return subprocess.Popen(
            command, cwd=folder, env=environment_of(folder / "cache") | WAITING, stdout=said, stderr=subprocess.STDOUT
        )


def artifacts(folder: Path) -> dict[str, bytes]:
    """Everything that the stages made, by its path."""
    files = [path for top in ("data", "results") for path in (folder / top).rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def finished(folder: Path, cpu: str, name: str, threads: int) -> tuple[dict[str, bytes], float]:
    """What an experiment made, and the seconds it took."""
    began = time.monotonic()
    assert started(folder, cpu, name, threads).wait() == 0, (folder / "said.txt").read_text()[-2000:]
    return artifacts(folder), time.monotonic() - began


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[dict[tuple[str, int, str], Future[tuple[dict[str, bytes], float]]]]:
    """All experiments on all CPUs, as many at a time as there are cores."""
    top = tmp_path_factory.mktemp("portable")
    jobs = [(name, threads, cpu) for name, threads in PLANS for cpu in (NATIVE, *CPUS)]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield {
            (name, threads, cpu): pool.submit(finished, top / f"{name} {threads} {cpu}", cpu, name, threads)
            for name, threads, cpu in jobs
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.skipif(QEMU is None, reason="no qemu-x86_64 on the PATH (Debian's package qemu-user)")
@pytest.mark.parametrize(("name", "threads"), PLANS)
def test_the_same_bytes_on_other_cpus(running, name, threads, capsys):
    native = running[name, threads, NATIVE].result()[0]
    assert len(native) > 20 and any(path.endswith("generator.safetensors") for path in native)
    differing = {}
    for cpu in CPUS:
        made, seconds = running[name, threads, cpu].result()
        differing[cpu] = [path for path in native.keys() | made.keys() if made.get(path) != native.get(path)]
        row = [name, str(threads), cpu, EMULATED[cpu], str(len(made)), str(len(differing[cpu])), f"{seconds:.0f} s"]
        if LONG:
            with capsys.disabled():
                print(f"\n| {' | '.join(row)} |", flush=True)
    assert not any(differing.values()), differing


CHECK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from ganflow import arithmetic
arithmetic.configure(1, sys.argv[2])
import numpy, scipy.linalg, threadpoolctl, torch
from numpy._core._multiarray_umath import __cpu_features__ as features
blas = [found["architecture"] for found in threadpoolctl.threadpool_info() if found["internal_api"] == "openblas"]
wide = [name for name in ("X86_V4", "AVX512_ICL", "AVX512_SPR") if features[name]]
print(json.dumps({"torch": torch.backends.cpu.get_cpu_capability(), "blas": blas, "wide": wide}))
"""


def test_every_library_takes_the_settings():
    """By what each library itself says it runs; a version that gives its settings other names fails here."""
    done = subprocess.run(
        [sys.executable, "-c", CHECK, TOP / "src", "portable"], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["torch"] == "AVX2" and found["wide"] == []
    assert len(found["blas"]) == 2 and set(found["blas"]) == {"Haswell"}


def test_fewer_cores_than_threads_change_nothing(tmp_path):
    """With one core to itself a process still runs as many threads as params.yaml says."""
    one = started(tmp_path / "all cores", NATIVE, "scored", 2)
    assert one.wait() == 0
    os.sched_setaffinity(0, (cores := os.sched_getaffinity(0)) and {min(cores)})
    try:
        other = started(tmp_path / "one core", NATIVE, "scored", 2)
    finally:
        os.sched_setaffinity(0, cores)
    assert other.wait() == 0
    assert artifacts(tmp_path / "one core") == artifacts(tmp_path / "all cores")
