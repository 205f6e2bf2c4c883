"""The device that a stage computes on."""

from ganflow import arithmetic
from ganflow.config import Experiment
from ganflow.cpu_sharing import keep_freed_memory, share_cores
from ganflow.stages.execution import claim_gpu, device_of


def compute_on(experiment: Experiment, tf32: bool = False) -> str:
    """The kind of device of an experiment, ready for exact arithmetic; of GPUs, one that no other stage holds.

    `tf32` is for trainings alone, so that scores of trainings with and without it are computed alike.
    """
    import torch  # stages that compute nothing start without it

    device = device_of(experiment)
    keep_freed_memory()
    share_cores(experiment.compute.threads, lambda: torch.ones(2**20).add_(1))
    if device == "cuda":
        torch.cuda.set_device(claim_gpu(torch.cuda.device_count()))
    arithmetic.exact(experiment.compute.arithmetic, tf32)
    return device
