"""Confidence and diversity of a classifier's predictions (Salimans et al., arXiv 1606.03498, section 4): with the
Inception network's logits, the Inception Score. Does not use the real samples. In float64, on torch-fidelity's splits:
its own takes logarithms that the vendor of the CPU rounds."""

import itertools
from typing import ClassVar

import numpy as np
import torch
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
        order = torch.from_numpy(np.random.RandomState(SEED).permutation(len(samples)))
        ends = [len(samples) * part // self.splits for part in range(self.splits + 1)]
        scores = torch.stack(
            [
                _mean_divergence(samples.logits[order[start:end]].double().softmax(1)).exp()
                for start, end in itertools.pairwise(ends)
            ]
        )
        return {"classifier_score": float(scores.mean()), "classifier_score_std": float(scores.std(correction=0))}


def _mean_divergence(predicted: Tensor) -> Tensor:
    """E KL(p(y|x) || p(y)), in nats, of predictions (n, classes) and their mean."""
    return torch.special.xlogy(predicted, predicted / predicted.mean(0)).sum(1).mean()
