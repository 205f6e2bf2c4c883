"""Coverage of the classes of a labelled set, by linear discriminant analysis of features: number of missed classes and
divergence of class shares, as with a classifier in Metz et al. (arXiv 1611.02163, section 3.3) and Lin et al. (PacGAN,
arXiv 1712.04086, section 4), and the share of samples as close to a class centre as real ones."""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ganflow.errors import UserError
from ganflow.evaluation.distances import squared_distances
from ganflow.evaluation.interfaces import Metric, Samples
from ganflow.evaluation.metrics.frechet_distance import moments
from ganflow.portable_operations import log, sqrt

BLOCK = 1024  # rows projected at once
PER_COMPONENT = 10  # degrees of freedom of the shared covariance per principal component
HIGH_QUALITY = 0.95  # quantile of the real samples' distances up to which a sample is of high quality


class Classes(Metric):
    """Classes are normal distributions with one covariance, fitted in leading principal components of real features.

    The number of components is at most a tenth of the covariance's degrees of freedom (samples minus classes). Real
    class shares are those that the same classifier finds.
    """

    compares: ClassVar = "features"
    better: ClassVar = {"missed_classes": "lower", "high_quality_samples": "higher", "class_kl": "lower"}
    needs_labels: ClassVar = True
    sensitive_to: ClassVar = {"missed_classes": ("fewer_classes",), "class_kl": ("fewer_classes",)}
    worsened_by: ClassVar = {
        "missed_classes": ("fewer_classes", "outliers"),
        "high_quality_samples": ("noise", "blend"),
        "class_kl": ("fewer_classes",),
    }
    components: int = Field(64, ge=1, le=4096, description="principal components at most")

    def prepare(self, real: Samples) -> dict[str, Tensor]:
        """`mean` (f,), `whitening` (f, c) to a space with unit class covariance, class `centres` (k, c) there,
        `log_prior` (k,), `radius` () of high quality, and `shares` (k,) of the predicted classes; float64."""
        names, labels = real.labels.unique(return_inverse=True)
        freedom = len(labels) - len(names)
        count = min(self.components, freedom // PER_COMPONENT, real.features.shape[1])
        if count < 1:
            raise UserError(
                f"params.yaml: evaluation: classes needs {PER_COMPONENT} samples more than classes, and there are "
                f"{len(labels)} of {len(names)} classes; raise images"
            )
        mean, covariance = moments([real.features])
        axes = torch.linalg.eigh(covariance).eigenvectors[:, -count:]
        points = _projected(real.features, mean, axes)
        centres = torch.stack([points[labels == label].mean(0) for label in range(len(names))])
        within = points - centres[labels]
        values, vectors = torch.linalg.eigh(within.T @ within / freedom)
        scale = vectors / sqrt(values.clamp_min(values[-1] * torch.finfo(values.dtype).eps))
        fitted = {
            "mean": mean,
            "whitening": axes @ scale,
            "centres": centres @ scale,
            "log_prior": log(labels.bincount().double() / len(labels)),
        }
        found, distance = self.classified(fitted, real.features)
        shares = found.bincount(minlength=len(names)).double().clamp_min(1)  # so that no divergence is infinite
        return fitted | {"radius": distance.quantile(HIGH_QUALITY), "shares": shares / shares.sum()}

    def score(self, prepared: dict[str, Tensor], real: Samples, samples: Samples) -> dict[str, float]:
        """Number of classes without a high-quality sample; share in 0..1; KL(generated || real), in nats."""
        found, distance = self.classified(prepared, samples.features)
        good = distance <= prepared["radius"]
        shares = found.bincount(minlength=len(prepared["centres"])).double() / len(samples)
        return {
            "missed_classes": float(len(prepared["centres"]) - len(found[good].unique())),
            "high_quality_samples": float(good.double().mean()),
            "class_kl": float(torch.special.xlogy(shares, shares / prepared["shares"]).sum()),
        }

    def classified(self, fitted: dict[str, Tensor], features: Tensor) -> tuple[Tensor, Tensor]:
        """Each sample's most probable class, (n,) int64, and Mahalanobis distance to its centre, (n,) float64."""
        points = _projected(features, fitted["mean"], fitted["whitening"])
        squared = squared_distances(points, fitted["centres"])
        found = (fitted["log_prior"] - squared / 2).argmax(1)
        return found, sqrt(squared.gather(1, found[:, None])[:, 0])


def _projected(features: Tensor, mean: Tensor, axes: Tensor) -> Tensor:
    """Features (n, f) along axes (f, c): (n, c), float64."""
    return torch.cat([(block.double() - mean) @ axes for block in features.split(BLOCK)])
