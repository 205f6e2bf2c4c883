"""Elementwise functions whose bits depend neither on the CPU nor on the C library, where torch's own do."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def sqrt(values: Tensor) -> Tensor:
    """Square roots by operations that IEEE 754 rounds the same way on every CPU.

    torch.sqrt calls MKL's vector library, which rounds by the vendor of the CPU. float32 and narrower are rounded
    correctly: the root of a 24-bit significand is at least 2^-51 of itself away from the middle between two of them,
    and two divisions and a root in float64 are 1.5 x 2^-52 off at most.
    """
    return values.double().rsqrt().reciprocal().to(values.dtype)


def log(values: Tensor) -> Tensor:
    """Natural logarithms, of which torch.log, by MKL, rounds 4 in a million of float64 by the vendor of the CPU."""
    return torch.special.xlogy(torch.ones_like(values), values)


def softplus(values: Tensor) -> Tensor:
    """log(1 + e^x).

    torch's softplus takes the last few elements from the C library, and glibc 2.41 has another log1p than 2.36; its
    logsigmoid does not.
    """
    return -logsigmoid(-values)
