"""The Frechet distance of generated features to prepared real ones: moments, and the trace of the square root."""

from collections.abc import Callable

import numpy as np
import torch
from measuring import arguments, interleaved, machine, show
from scipy.linalg import sqrtm
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

from ganflow.evaluation.interfaces import Samples
from ganflow.evaluation.metrics.frechet_distance import FrechetDistance

FEWER = 500  # samples of the scores over training
BASELINE = "scipy.linalg.sqrtm(S1 S2)"


def spectrum(count: int, dimension: int, seed: int) -> Tensor:
    """Correlated features (n, f) float32 with variances 1 / k over the axes."""
    draw = np.random.default_rng(seed)
    axes = np.linalg.qr(np.random.default_rng(0).standard_normal((dimension, dimension)))[0]
    scale = (1 + 0.1 * seed) / np.arange(1, dimension + 1) ** 0.5
    return torch.from_numpy((draw.standard_normal((count, dimension)) * scale @ axes).astype(np.float32))


def by_square_root(real: Tensor) -> Callable[[Tensor], float]:
    """The equation, with known real moments."""
    m_w, c_w = real.double().numpy().mean(0), np.cov(real.numpy(), rowvar=False)

    def run(generated: Tensor) -> float:
        m, c = generated.double().numpy().mean(0), np.cov(generated.numpy(), rowvar=False)
        return float(np.sum((m - m_w) ** 2) + np.trace(c) + np.trace(c_w) - 2 * np.trace(sqrtm(c @ c_w).real))

    return run


def by_torch_fidelity(real: Tensor) -> Callable[[Tensor], float]:
    known = fid_features_to_statistics(real)
    return lambda generated: fid_statistics_to_metric(fid_features_to_statistics(generated), known, False)[
        KEY_METRIC_FID
    ]


def ours(real: Tensor) -> Callable[[Tensor], float]:
    metric, known = FrechetDistance(), Samples(features=real)
    prepared = metric.prepare(known)
    return lambda generated: metric.score(prepared, known, Samples(features=generated))["frechet_distance"]


def timed(score: Callable[[Tensor], float], generated: Tensor, into: dict[str, float], name: str) -> Callable[[], int]:
    """A contender that stores its distance in `into`."""

    def run() -> int:
        into[name] = score(generated)
        return len(generated)

    return run


def main() -> None:
    options = arguments(__doc__, images=5000, rounds=3, dimension=2048)
    torch.set_num_threads(1)
    with threadpool_limits(1):  # numpy's and scipy's
        real, generated = (spectrum(options.images, options.dimension, seed) for seed in (1, 2))
        contenders = {
            BASELINE: by_square_root(real),
            "torch-fidelity's fid_statistics_to_metric": by_torch_fidelity(real),
            "ours": ours(real),
        }
        for count in (options.images, min(FEWER, options.images // 2)):
            found: dict[str, float] = {}
            runs = {name: timed(score, generated[:count], found, name) for name, score in contenders.items()}
            rates = interleaved(runs, options.rounds)
            show(f"Frechet distance of {count:,} x {options.dimension:,} features to known ones", rates, BASELINE)
            print(f"\n| what | distance | relative difference to `{BASELINE}` |\n| --- | ---: | ---: |")
            for name, value in found.items():
                print(f"| {name} | {value:.10g} | {value / found[BASELINE] - 1:.1g} |")
    machine(("torch", "numpy", "scipy", "torch-fidelity"))


if __name__ == "__main__":
    main()
