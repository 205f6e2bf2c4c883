"""Samples that repeat one another, or the training set, by distances of features to nearest neighbours. Akin to the
birthday paradox test of Arora and Zhang (arXiv 1706.08224), where people judge the nearest pairs, and to the test of
data copying of Meehan et al. (arXiv 2004.05675), which compares ranks of such distances; it is neither."""

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from ganflow.errors import UserError
from ganflow.evaluation.distances import nearest_distances
from ganflow.evaluation.interfaces import Metric, Samples


class Duplicates(Metric):
    """Near is what only `quantile` of the real samples are to their nearest other one: fresh real samples score about
    `quantile` themselves.

    Neighbours come nearer as samples grow more, so `near_duplicates` compares equally many, the first ones of the
    larger set; both scores hold for their counts alone.
    """

    compares: ClassVar = "features"
    better: ClassVar = {"near_duplicates": "lower", "training_copies": "lower"}
    sensitive_to: ClassVar = {"near_duplicates": (), "training_copies": ()}  # they look at no quality
    worsened_by: ClassVar = {"near_duplicates": ("repeats",), "training_copies": ("copies",)}
    quantile: float = Field(0.01, gt=0, lt=1, description="share of the real samples that are as near to one another")

    def prepare(self, real: Samples) -> dict[str, Tensor]:
        """`nearest` (n,) float64: each real sample's distance to the nearest other one."""
        return {"nearest": _to_the_rest(real.features)}

    def score(self, prepared: dict[str, Tensor], real: Samples, samples: Samples) -> dict[str, float]:
        """Shares in 0..1: of generated samples near to another of them, and of those near to a training sample."""
        count = min(len(real), len(samples))
        alike = prepared["nearest"] if count == len(real) else _to_the_rest(real.features[:count])
        among, to_real = _to_the_rest(samples.features[:count]), nearest_distances(samples.features, real.features)
        return {
            "near_duplicates": self._share(among, alike),
            "training_copies": self._share(to_real, prepared["nearest"]),
        }

    def _share(self, distances: Tensor, of_real: Tensor) -> float:
        return float((distances <= of_real.quantile(self.quantile)).double().mean())


def _to_the_rest(features: Tensor) -> Tensor:
    if len(features) < 2:
        raise UserError(f"params.yaml: evaluation: repeats needs two samples or more, and there are {len(features)}")
    return nearest_distances(features)[:, 0].contiguous()
