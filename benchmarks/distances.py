"""Nearest neighbours between sets of features, as precision and recall need them: ours against torch.cdist in blocks.

The default is 5,000 rows; `--images 50000 --dimension 2048` is the size of the literature. "MiB" is the peak of the
process up to then, of which the first line are the features themselves.
"""

import resource
import time

from measuring import arguments, machine, workplace  # it puts src on the path

import torch  # isort: skip
from ganflow.evaluation.distances import BLOCK, nearest  # isort: skip


def by_cdist(one: torch.Tensor, other: torch.Tensor, k: int) -> torch.Tensor:
    """Distances of the k nearest rows, float32."""
    return torch.cat([torch.cdist(rows, other).topk(k, largest=False).values for rows in one.split(BLOCK)])


def peak() -> str:
    """The largest memory of this process so far, in MiB."""
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024:,}"


def main() -> None:
    options = arguments(__doc__, images=5000, rounds=1, dimension=2048, neighbours=3)
    with workplace():
        draw = torch.Generator().manual_seed(0)
        one, other = (torch.randn(options.images, options.dimension, generator=draw) for _ in range(2))
        print(
            f"| {options.images:,} against {options.images:,}, {options.dimension} values | seconds | images/s | MiB |"
        )
        print("| --- | ---: | ---: | ---: |")
        print(f"| the features | | | {peak()} |")
        for name, run in {
            "ours, float64, blocks on either side": lambda: nearest(one, other, options.neighbours)[0],
            "torch.cdist, float32, blocks of rows": lambda: by_cdist(one, other, options.neighbours),
        }.items():
            began = time.perf_counter()
            found = run()
            took = time.perf_counter() - began
            print(f"| {name} | {took:.1f} | {options.images / took:,.0f} | {peak()} |", flush=True)
            assert found.shape == (options.images, options.neighbours)
    machine(("torch",))


if __name__ == "__main__":
    main()
