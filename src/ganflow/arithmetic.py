"""Arithmetic with the same bits on every x86-64 CPU that has AVX2 (`portable`), or as fast as this CPU can (`native`).

Numerical libraries choose their kernels by the CPU they find, and round differently on the next one. PORTABLE holds
each of them to AVX2; it takes effect only before numpy and torch are imported. What was tried on which CPUs:
docs/exactness.md.
"""

import os
import platform
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ganflow.errors import UserError

if TYPE_CHECKING:
    from ganflow.config import Arithmetic

PORTABLE = {
    "ATEN_CPU_CAPABILITY": "avx2",  # torch's own kernels
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # convolutions
    "MKL_CBWR": "COMPATIBLE",  # torch's matrix products and factorizations
    "OPENBLAS_CORETYPE": "Haswell",  # those of numpy and SciPy
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # numpy's loops; numpy 2.4 ignores older names
}
NUMERICAL = ("numpy", "torch")
CPUINFO = Path("/proc/cpuinfo")
NEEDED = {"avx2", "fma"}
INSTEAD = "write `compute: {arithmetic: native}`, whose results equal those of the same type of CPU alone"


def configure(threads: int, arithmetic: "Arithmetic") -> None:
    """Sets the thread count of every library and the kind of arithmetic, before numpy and torch are imported.

    Raises UserError if one of them was imported under other settings.
    """
    for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"):
        os.environ[f"{library}_NUM_THREADS"] = str(threads)
    os.environ |= {"OMP_DYNAMIC": "FALSE", "MKL_DYNAMIC": "FALSE"}  # no fewer threads where there are fewer cores
    os.environ.pop("OMP_THREAD_LIMIT", None)
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # deterministic
    if arithmetic == "native":
        return
    imported = [name for name in NUMERICAL if name in sys.modules]
    if imported and any(os.environ.get(name) != value for name, value in PORTABLE.items()):
        raise UserError(
            f"compute.arithmetic = 'portable' takes effect before {' and '.join(imported)} are imported, and they are: "
            "call ganflow.arithmetic.configure first, or run `python -m ganflow` in a process of its own"
        )
    os.environ |= PORTABLE


def refusal() -> str | None:
    """Why this machine has no portable arithmetic, and what to write instead; None if it has."""
    about = "params.yaml: compute.arithmetic = 'portable'"
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return f"{about}: this machine is {platform.machine()}, not x86-64; {INSTEAD}"
    if CPUINFO.exists() and not cpu()[1] >= NEEDED:
        return f"{about}: this CPU, {cpu()[0]}, has no AVX2; {INSTEAD}"
    return None


def cpu() -> tuple[str, set[str]]:
    """Model name and feature flags of this machine's CPU, as Linux has them; "unknown CPU" and none elsewhere."""
    said = CPUINFO.read_text() if CPUINFO.exists() else ""
    found = dict(re.findall(r"^(model name|flags)\s*: (.*)$", said, re.MULTILINE))
    return found.get("model name", "unknown CPU"), set(found.get("flags", "").split())


def exact(arithmetic: "Arithmetic", tf32: bool = False) -> None:
    """Deterministic algorithms, and float32 products on GPUs without TF32 unless it is asked for.

    `configure` has told cuBLAS, before CUDA starts, to be deterministic. Raises UserError if portable arithmetic is not
    in effect.
    """
    import torch  # stages that compute nothing start without it

    if arithmetic == "portable" and (found := torch.backends.cpu.get_cpu_capability()) != "AVX2":
        raise UserError(
            f"params.yaml: compute.arithmetic = 'portable': torch runs its {found} kernels here, not those for AVX2; "
            f"{INSTEAD}"
        )
    torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms is the same, and imports the compiler
    # else every new tensor is filled, which costs a GPU a kernel each; a valid program reads none of it
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.allow_tf32 = tf32  # by default torch allows it in convolutions
    torch.backends.cuda.matmul.allow_tf32 = tf32
