"""The Frechet distance between normal distributions fitted to features (Heusel et al., arXiv 1706.08500, equation 6):
with the Inception network's features, the FID."""

from collections.abc import Iterable, Iterator
from typing import ClassVar

import torch
from torch import Tensor

from ganflow.errors import UserError
from ganflow.evaluation.interfaces import Metric, Samples
from ganflow.portable_operations import sqrt

BLOCK = 2048  # rows summed at once


class FrechetDistance(Metric):
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)); covariances over n - 1.

    With S1 = F F^T the trace of the square root is that of (F^T S2 F)^(1/2), which is symmetric; with fewer samples
    than features, the centred features are a factor of S2, and it is the nuclear norm of the factors' product.
    """

    compares: ClassVar = "features"
    better: ClassVar = {"frechet_distance": "lower"}
    continuous: ClassVar = ("frechet_distance",)
    literature_name: ClassVar = {"frechet_distance": "fid"}
    worsened_by: ClassVar = {"frechet_distance": ("noise", "fewer_classes")}

    def prepare(self, real: Samples) -> dict[str, Tensor]:
        """`mean` (f,) and `factor` (f, r) of the covariance, without its null directions; float64."""
        if _few(real.features):
            mean, factor = _factored(real.features)
        else:
            mean, covariance = moments([real.features])
            values, vectors = torch.linalg.eigh(covariance)
            kept = values > values[-1] * len(values) * torch.finfo(values.dtype).eps
            factor = vectors[:, kept] * sqrt(values[kept])
        return {"mean": mean, "factor": factor.contiguous()}

    def score(self, prepared: dict[str, Tensor], real: Samples, samples: Samples) -> dict[str, float]:
        """In squared units of the features."""
        if _few(samples.features):
            mean, factor = _factored(samples.features)
            shared = prepared["factor"].T @ factor  # (r, n)
            product = shared @ shared.T if shared.shape[0] <= shared.shape[1] else shared.T @ shared
            trace = factor.square().sum()
        else:
            mean, covariance = moments([samples.features])
            product = prepared["factor"].T @ covariance @ prepared["factor"]  # (r, r)
            trace = covariance.trace()
        root = sqrt(torch.linalg.eigvalsh((product + product.T) / 2).clamp_min(0)).sum()
        away = (prepared["mean"] - mean).square().sum()
        distance = away + prepared["factor"].square().sum() + trace - 2 * root
        return {"frechet_distance": max(0.0, float(distance))}


def moments(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean (f,) and covariance (f, f), over n - 1, of rows in batches (b, f), in float64.

    Rows are summed in blocks of a fixed size, so that the result does not depend on the batches, and blocks are merged
    about their means (Chan, Golub and LeVeque, 1983). Raises UserError for fewer than two rows.
    """
    count, mean, scatter = 0, torch.zeros(()), torch.zeros(())
    for block in _blocks(batches):
        block = block.double()
        center = block.mean(0)
        block -= center
        away, total = center - mean, count + len(block)
        rows = block.numpy()  # numpy computes only half of the symmetric product
        product = torch.from_numpy(rows.T @ rows)
        scatter = product.addr_(away, away, alpha=count * len(block) / total).add_(scatter)
        mean, count = mean + away * (len(block) / total), total
    _enough(count)
    return mean, scatter / (count - 1)


def _blocks(batches: Iterable[Tensor]) -> Iterator[Tensor]:
    """The rows of all batches in order, in copies of BLOCK rows; the last may be shorter."""
    held: list[Tensor] = []
    missing = BLOCK
    for batch in batches:
        for part in batch.tensor_split(tuple(range(missing, len(batch), BLOCK))):
            held.append(part)
            missing -= len(part)
            if not missing:
                yield torch.cat(held)
                held, missing = [], BLOCK
    if missing < BLOCK:
        yield torch.cat(held)


def _few(features: Tensor) -> bool:
    """Whether there are at most as many samples as features, so that they are the smaller factor."""
    return len(features) <= features.shape[1]


def _factored(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (f,) and a factor (f, n) of the covariance of features (n, f); float64."""
    _enough(len(features))
    mean = features.double().mean(0)
    return mean, (features.double() - mean).T / (len(features) - 1) ** 0.5


def _enough(count: int) -> None:
    if count < 2:
        raise UserError(f"params.yaml: evaluation: a covariance needs at least two samples, and there are {count}")
