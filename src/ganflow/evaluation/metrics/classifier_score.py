"""How sure a classifier is of each sample and how many classes it sees (Salimans et al., arXiv 1606.03498, section 4):
by the Inception network's logits it is the Inception Score. The real samples have no part in it."""

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from ganflow.errors import UserError
from ganflow.evaluation.interfaces import Metric, Samples

SEED = 2020  # of the shuffle before splitting; torch-fidelity's own, so that its numbers are these


class ClassifierScore(Metric):
    """exp E KL(p(y|x) || p(y)): 1 at worst, the number of classes at best; p(y) is each split's own mean."""

    compares: ClassVar = "features"
    better: ClassVar = {"classifier_score": "higher"}
    literature_name: ClassVar = {"classifier_score": "inception_score"}
    worsened_by: ClassVar = {"classifier_score": ("fewer_classes", "blend")}
    splits: int = Field(10, ge=1, le=1000, description="parts that the samples are split into and scored by")

    def score(self, prepared: dict[str, Tensor], real: Samples, samples: Samples) -> dict[str, float]:
        """The mean and the standard deviation over the splits."""
        from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, KEY_METRIC_ISC_STD, isc_features_to_metric

        if len(samples) < self.splits:
            raise UserError(
                f"params.yaml: evaluation: classifier_score splits {len(samples)} samples into {self.splits} parts; "
                "set images or splits"
            )
        found = isc_features_to_metric(samples.logits, self.splits, shuffle=True, rng_seed=SEED)
        return {"classifier_score": found[KEY_METRIC_ISC_MEAN], "classifier_score_spread": found[KEY_METRIC_ISC_STD]}
