"""The squared maximum mean discrepancy of features under a cubic kernel, unbiased (Binkowski et al., arXiv 1801.01401,
section 4): with the Inception network's features, the KID. In float64, on the subsets that torch-fidelity draws: its
numbers differ by the rounding of float32."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from ganflow.errors import UserError
from ganflow.evaluation.interfaces import Metric, Samples

SEED = 2020  # torch-fidelity's, for equal subsets
LARGEST_KERNEL = 2**24  # numbers in a matrix that is kept, 128 MiB


class KernelDistance(Metric):
    """Mean over random subsets of both sets; about 0, and as often negative, for one distribution."""

    compares: ClassVar = "features"
    better: ClassVar = {"kernel_distance": "lower"}
    continuous: ClassVar = ("kernel_distance",)
    literature_name: ClassVar = {"kernel_distance": "kid"}
    worsened_by: ClassVar = {"kernel_distance": ("noise", "fewer_classes")}
    subsets: int = Field(100, ge=1, le=10_000, description="random subsets of each set")
    subset_size: int = Field(1000, ge=2, le=10_000, description="samples in a subset; a smaller set is used completely")

    def score(self, prepared: dict[str, Tensor], real: Samples, samples: Samples) -> dict[str, float]:
        """Mean and standard deviation over the subsets."""
        size = min(self.subset_size, len(real), len(samples))
        if size < 2:
            raise UserError(f"params.yaml: evaluation: kernel_distance needs two samples or more, and there are {size}")
        whole = len(real) * len(samples) <= min(self.subsets * size**2, LARGEST_KERNEL)
        x, y = samples.features.double(), real.features.double()
        among_x, among_y, between = (_kernel_of(*pair, whole) for pair in ((x, x), (y, y), (x, y)))
        draw, found = np.random.RandomState(SEED), []
        for _ in range(self.subsets):
            rows, columns = (torch.from_numpy(draw.choice(len(each), size, replace=False)) for each in (x, y))
            within = _off_diagonal(among_x(rows, rows)) + _off_diagonal(among_y(columns, columns))
            found.append(within / (size * (size - 1)) - 2 * between(rows, columns).mean())
        distances = torch.stack(found)
        return {"kernel_distance": float(distances.mean()), "kernel_distance_std": float(distances.std(correction=0))}


def _kernel_of(x: Tensor, y: Tensor, whole: bool) -> Callable[[Tensor, Tensor], Tensor]:
    """A function of rows of x and y (n, d) that gives the kernel between them, taken from the `whole` matrix or
    computed each time."""
    if not whole:
        return lambda rows, columns: _kernel(x[rows], y[columns])
    kernel = _kernel(x, y)
    return lambda rows, columns: kernel[rows][:, columns]


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _off_diagonal(kernel: Tensor) -> Tensor:
    return kernel.sum() - kernel.diagonal().sum()
