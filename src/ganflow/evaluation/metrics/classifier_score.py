"""Confidence and diversity of a classifier's predictions (Salimans et al., arXiv 1606.03498, section 4): with the
Inception network's logits, the Inception Score. Does not use the real samples."""

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from ganflow.errors import UserError
from ganflow.evaluation.interfaces import Metric, Samples

SEED = 2020  # of the shuffle before splitting; torch-fidelity's, so that its numbers are reproduced


class ClassifierScore(Metric):
    """exp E KL(p(y|x) || p(y)), from 1 (worst) to the number of classes; p(y) is the mean over each split."""

    compares: ClassVar = "features"
    better: ClassVar = {"classifier_score": "higher"}
    continuous: ClassVar = ("classifier_score",)
    literature_name: ClassVar = {"classifier_score": "inception_score"}
    worsened_by: ClassVar = {"classifier_score": ("fewer_classes", "blend")}
    splits: int = Field(10, ge=1, le=1000, description="parts of the set that are scored separately")

    def score(self, prepared: dict[str, Tensor], real: Samples, samples: Samples) -> dict[str, float]:
        """The mean and the standard deviation over the splits."""
        from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, KEY_METRIC_ISC_STD, isc_features_to_metric

        if not samples.logits.shape[1]:
            raise UserError(
                "params.yaml: evaluation: classifier_score needs an extractor that classifies; remove it from metrics, "
                "or choose `extractor: inception` or `extractor: efficientnet_lite0`"
            )
        if len(samples) < self.splits:
            raise UserError(
                f"params.yaml: evaluation: classifier_score can't split {len(samples)} samples into {self.splits}; "
                "raise images or lower splits"
            )
        found = isc_features_to_metric(samples.logits, self.splits, shuffle=True, rng_seed=SEED)
        return {"classifier_score": found[KEY_METRIC_ISC_MEAN], "classifier_score_std": found[KEY_METRIC_ISC_STD]}
