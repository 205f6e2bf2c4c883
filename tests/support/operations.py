"""Which operations of torch a piece of code runs, those inside other operations too."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

BY_CPU = ("aten::sqrt", "aten::_foreach_sqrt", "aten::_cdist", "aten::cdist", "aten::cholesky", "aten::linalg_cholesky")
BY_CPU_IN_FLOAT64 = {"aten::log", "aten::log_"}  # in float32 it was equal everywhere
BY_C_LIBRARY = ("aten::softplus",)


@contextmanager
def portable_operations_only() -> Iterator[None]:
    """Fails if the block runs an operation whose bits depend on the CPU or the C library."""
    with torch.profiler.profile(record_shapes=True) as profile:
        yield
    events = profile.profiler.kineto_results.events()  # `key_averages` takes far longer
    names = {event.name() for event in events}
    assert any(name.startswith("aten::") for name in names)
    ran = sorted(name for name in names if name.startswith(BY_CPU + BY_C_LIBRARY))
    ran += sorted(
        {f"{e.name()} of float64" for e in events if e.name() in BY_CPU_IN_FLOAT64 and "double" in e.dtypes()}
    )
    assert not ran, f"bits of {', '.join(ran)} depend on the CPU or the C library"
