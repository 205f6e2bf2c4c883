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
DECIDING = (  # beginnings of variables by which libraries choose kernels, formats and threads
    *("ATEN_", "DNNL_", "GOTO_", "MKL_", "NPY_", "NVIDIA_TF32", "OMP_", "ONEDNN_", "OPENBLAS_", "TORCH_ALLOW_TF32"),
)
SCHEDULING = (
    "OMP_DISPLAY",
    "OMP_PLACES",
    "OMP_PROC_BIND",
    "OMP_STACKSIZE",
    "OMP_WAIT_POLICY",
)  # no bit depends on them
NUMERICAL = ("numpy", "torch")
CPUINFO = Path("/proc/cpuinfo")
NEEDED = {"avx2", "fma"}
INSTEAD = "write `compute: {arithmetic: native}`, whose results equal those of the same type of CPU alone"


def configure(threads: int, arithmetic: "Arithmetic") -> None:
    """Sets the thread count of every library and the kind of arithmetic, before numpy and torch are imported, and
    removes all other variables of the environment that decide bits: they are in no fingerprint.

    Raises UserError if one of them was imported under other settings.
    """
    wanted = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}
    wanted |= {"OMP_DYNAMIC": "FALSE", "MKL_DYNAMIC": "FALSE"}  # no fewer threads where there are fewer cores
    wanted["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # deterministic
    kernels = PORTABLE if arithmetic == "portable" else {}
    stray = [
        name
        for name in os.environ.keys() - wanted.keys() - kernels.keys()
        if name.startswith(DECIDING) and not name.startswith(SCHEDULING)
    ]
    imported = [name for name in NUMERICAL if name in sys.modules]
    if imported and arithmetic == "portable" and any(os.environ.get(name) != value for name, value in PORTABLE.items()):
        found = "they are" if len(imported) == len(NUMERICAL) else f"{imported[0]} is"
        raise UserError(
            f"compute.arithmetic = 'portable' takes effect before {' and '.join(NUMERICAL)} are imported, and {found}: "
            "call ganflow.arithmetic.configure first, or run `python -m ganflow` in a process of its own"
        )
    for name in stray:
        del os.environ[name]
    os.environ |= wanted | kernels


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
