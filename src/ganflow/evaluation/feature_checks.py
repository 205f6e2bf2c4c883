"""Checks of the features of the scored samples themselves: an extractor that serves for real images may give generated
ones features that are all alike, and every score by them then says nothing."""

from hashlib import blake2b

import torch
from torch import Tensor

LOST = 0.01  # share of samples whose features may be all 0 or equal to another's although the samples differ
CONSTANT = 0.5  # share of features that may be equal for all samples
RANK = 0.1  # of the largest possible one
ROWS = 1024  # samples of which the rank is taken
ROUNDING = 1e-10  # of the largest eigenvalue: the square of what float32 features lose


def feature_flags(features: Tensor, samples: Tensor) -> list[str]:
    """Clauses about features, (n, f) float32, of samples, uint8 (n, 3, H, W), that hardly tell the samples apart.

    Equal features of equal samples are no fault of the extractor and are not counted; n = 1 gives no clause.
    """
    count, width = features.shape
    different = _distinct(samples)
    if different < 2:
        return []
    found = []
    zero = int((features == 0).all(1).sum())
    if zero > LOST * count:
        found.append(f"of {zero:,} of {count:,} samples all features are 0")
    kept = _distinct(features)
    if different - kept > LOST * count and zero < count:
        found.append(f"{different:,} different samples have {kept:,} different vectors of features")
    if kept == 1:
        return found
    constant = int((features == features[0]).all(0).sum())
    if constant > CONSTANT * width:
        found.append(f"{constant:,} of {width:,} features are equal for all samples")
    rank, largest = _rank(features[:ROWS]), min(different - 1, ROWS - 1, width)
    if rank < RANK * largest:
        found.append(f"the features vary in {rank:,} of {largest:,} possible directions")
    return found


def _distinct(rows: Tensor) -> int:
    """The number of different rows."""
    return len({blake2b(row.tobytes(), digest_size=16).digest() for row in rows.contiguous().numpy()})


def _rank(features: Tensor) -> int:
    """The rank of centred features, (n, f)."""
    centred = features.double() - features.double().mean(0)
    product = centred @ centred.T if centred.shape[0] <= centred.shape[1] else centred.T @ centred
    values = torch.linalg.eigvalsh(product)
    return int((values > ROUNDING * values[-1].clamp_min(torch.finfo(values.dtype).tiny)).sum())
