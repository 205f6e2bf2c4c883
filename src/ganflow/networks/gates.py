"""Gates of recurrent and gated layers, from functions whose bits do not depend on the C library."""

from torch import Tensor


def tanh(values: Tensor) -> Tensor:
    """tanh x as 2 s(2 x) - 1; torch takes the last few elements of its own from the C library."""
    return 2 * (2 * values).sigmoid() - 1


def gated(values: Tensor) -> Tensor:
    """tanh(a) s(b) of the two halves of the last dimension (Gated PixelCNN, arXiv 1606.05328, equation 2)."""
    one, other = values.chunk(2, dim=-1)
    return tanh(one) * other.sigmoid()
