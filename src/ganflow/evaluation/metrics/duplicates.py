"""Near-duplicates among samples and copies of training samples, by feature distances to nearest neighbours.

Related to the birthday paradox test of Arora and Zhang (arXiv 1706.08224), with visual inspection of the nearest pairs,
and to the data-copying test of Meehan et al. (arXiv 2004.05675), which compares ranks of such distances.
"""

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from ganflow.errors import UserError
from ganflow.evaluation.distances import nearest
from ganflow.evaluation.interfaces import Metric, Samples


class Duplicates(Metric):
    """A pair is near below the `quantile` of the real samples' nearest-neighbour distances, so that new real samples
    score about `quantile`.

    Distances shrink as sets grow: `near_duplicates` uses the first samples of the larger set, so that both have the
    same size; both scores are comparable only between equal sizes.
    """

    compares: ClassVar = "features"
    on_device: ClassVar = True
    better: ClassVar = {"near_duplicates": "lower", "training_copies": "lower"}
    sensitive_to: ClassVar = {"near_duplicates": (), "training_copies": ()}  # not measures of image quality
    worsened_by: ClassVar = {"near_duplicates": ("repeats",), "training_copies": ("copies",)}
    quantile: float = Field(
        0.01, gt=0, lt=1, description="of real nearest-neighbour distances, up to which a pair is near"
    )

    def prepare(self, real: Samples) -> dict[str, Tensor]:
        """`nearest` (n,) float64: distance of each real sample to the nearest other one."""
        return {"nearest": _nearest_other(real.features)}

    def score(self, prepared: dict[str, Tensor], real: Samples, samples: Samples) -> dict[str, float]:
        """Shares in 0..1: generated samples near another one, and generated samples near a training sample."""
        count = min(len(real), len(samples))
        alike = prepared["nearest"] if count == len(real) else _nearest_other(real.features[:count])
        among, to_real = _nearest_other(samples.features[:count]), nearest(samples.features, real.features)[0]
        return {
            "near_duplicates": self._share(among, alike),
            "training_copies": self._share(to_real, prepared["nearest"]),
        }

    def _share(self, distances: Tensor, of_real: Tensor) -> float:
        return float((distances <= of_real.quantile(self.quantile)).double().mean())


def _nearest_other(features: Tensor) -> Tensor:
    if len(features) < 2:
        raise UserError(f"params.yaml: evaluation: duplicates needs two samples or more, and there are {len(features)}")
    return nearest(features)[0][:, 0].contiguous()
