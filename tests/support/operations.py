"""Which operations of torch a piece of code runs, those inside other operations too."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

BY_CPU = ("aten::sqrt", "aten::_foreach_sqrt", "aten::_cdist", "aten::cdist", "aten::cholesky", "aten::linalg_cholesky")
BY_C_LIBRARY = ("aten::softplus",)


@contextmanager
def portable_operations_only() -> Iterator[None]:
    """Fails if the block runs an operation whose bits depend on the CPU or the C library."""
    with torch.profiler.profile() as profile:
        yield
    ran = sorted({event.key for event in profile.key_averages() if event.key.startswith(BY_CPU + BY_C_LIBRARY)})
    assert not ran, f"bits of {', '.join(ran)} depend on the CPU or the C library"
