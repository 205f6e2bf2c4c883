"""How far translations of images are from what they should be: pixel by pixel, with 8-bit values."""

from typing import ClassVar

from torch import Tensor

from ganflow.evaluation.interfaces import Metric, Samples

LARGEST = 255
LEAST_ERROR = 1e-10  # squared, of equal images, whose ratio has no bound


class TranslationError(Metric):
    """`mean_error`: the mean absolute difference, 0..255; `psnr`: 10 log10(255^2 / E d^2) in decibels, the mean over
    images."""

    compares: ClassVar = "translations"
    better: ClassVar = {"mean_error": "lower", "psnr": "higher"}
    sensitive_to: ClassVar = {"mean_error": (), "psnr": ()}  # of real images nothing is translated
    worsened_by: ClassVar = {"mean_error": ("noise",), "psnr": ("noise",)}

    def score(self, prepared: dict[str, Tensor], real: Samples, samples: Samples) -> dict[str, float]:
        difference = (samples.values.double() - samples.targets.double()).flatten(1)
        squared = difference.square().mean(1).clamp_min(LEAST_ERROR)
        return {
            "mean_error": float(difference.abs().mean()),
            "psnr": float(10 * (LARGEST**2 / squared).log10().mean()),
        }
