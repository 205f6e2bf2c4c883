"""What decides bits of arithmetic besides the parameters: thread counts, deterministic algorithms, exact float32."""

import os

from ganflow.stages.execution import claim_gpu


def set_threads(count: int) -> None:
    """Threads of every library, and cuBLAS's deterministic workspace; to be called before numpy and torch are
    imported."""
    for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"):
        os.environ[f"{library}_NUM_THREADS"] = str(count)
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"


def compute_on(device: str) -> None:
    """Takes a GPU if `device` is cuda, and makes arithmetic exact: deterministic algorithms, float32 without TF32."""
    import torch  # stages that compute nothing start without it

    if device == "cuda":
        torch.cuda.set_device(claim_gpu(torch.cuda.device_count()))
    torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms is the same, and imports the compiler
    torch.backends.cudnn.allow_tf32 = False
