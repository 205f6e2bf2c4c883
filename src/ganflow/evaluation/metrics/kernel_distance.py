"""The squared maximum mean discrepancy of features under a cubic kernel, unbiased (Binkowski et al., arXiv 1801.01401,
section 4): with the Inception network's features, the KID. Computed by torch-fidelity, in float32."""

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from ganflow.errors import UserError
from ganflow.evaluation.interfaces import Metric, Samples

SEED = 2020  # torch-fidelity's, so that its numbers are reproduced


class KernelDistance(Metric):
    """Mean over random subsets of both sets; about 0, and as often negative, for one distribution."""

    compares: ClassVar = "features"
    better: ClassVar = {"kernel_distance": "lower"}
    literature_name: ClassVar = {"kernel_distance": "kid"}
    worsened_by: ClassVar = {"kernel_distance": ("noise", "fewer_classes")}
    subsets: int = Field(100, ge=1, le=10_000, description="random subsets of each set")
    subset_size: int = Field(1000, ge=2, le=10_000, description="samples in a subset; a smaller set is used completely")

    def score(self, prepared: dict[str, Tensor], real: Samples, samples: Samples) -> dict[str, float]:
        """Mean and standard deviation over the subsets."""
        from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, KEY_METRIC_KID_STD, kid_features_to_metric

        size = min(self.subset_size, len(real), len(samples))
        if size < 2:
            raise UserError(f"params.yaml: evaluation: kernel_distance needs two samples or more, and there are {size}")
        settings = {"kid_subsets": self.subsets, "kid_subset_size": size, "rng_seed": SEED, "verbose": False}
        found = kid_features_to_metric(samples.features, real.features, **settings)
        return {"kernel_distance": found[KEY_METRIC_KID_MEAN], "kernel_distance_std": found[KEY_METRIC_KID_STD]}
