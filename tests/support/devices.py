"""What a training step may do on a GPU, checked where there is none: on torch's `meta` device, whose tensors have
shapes but no values, so that nothing can read one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

META = "meta"
WAITING = {  # operations for whose result the host waits on a GPU, by the size or the value that they give it
    "_local_scalar_dense",
    "_unique",
    "_unique2",
    "bincount",
    "equal",
    "is_nonzero",
    "item",
    "masked_select",
    "nonzero",
    "unique_consecutive",
    "unique_dim",
}
MADE_ON_HOST = {torch.as_tensor, torch.tensor}  # copy to another device, unseen by a dispatch mode, and wait
NOT_DETERMINISTIC = (  # on a GPU, by the documentation of torch.use_deterministic_algorithms, which then refuses them
    "_adaptive_avg_pool2d_backward",
    "_adaptive_avg_pool3d_backward",
    "_ctc_loss_backward",
    "adaptive_max_pool",
    "avg_pool3d_backward",
    "fractional_max_pool",
    "grid_sampler_2d_backward",
    "grid_sampler_3d_backward",
    "histc",
    "kthvalue",
    "max_unpool",
    "median.dim",
    "nanmedian.dim",
    "nll_loss2d",
    "put",
    "reflection_pad1d_backward",
    "reflection_pad2d_backward",
    "reflection_pad3d_backward",
    "upsample_bicubic2d_backward",
    "upsample_bilinear2d_backward",
    "upsample_linear1d_backward",
    "upsample_trilinear3d_backward",
)


class _Watched(TorchDispatchMode):
    """Refuses what waits for a device or is not deterministic on a GPU; keeps every operation with its shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: list[tuple[Any, ...]] = []

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = operation.overloadpacket.__name__
        given = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        assert name not in WAITING, f"the host waits for {operation}"
        whole = str(operation).removeprefix("aten.")
        assert not whole.startswith(NOT_DETERMINISTIC), f"{operation} is not deterministic on a GPU"
        if name.startswith("index"):
            indices = [value for value in tree_leaves(args[1:]) if isinstance(value, Tensor)]
            assert all(value.dtype not in (torch.bool, torch.uint8) for value in indices), "the host waits for a mask"
        if name in ("_to_copy", "copy_"):
            before = args[0 if name == "_to_copy" else 1].device.type
            after = torch.device(kwargs.get("device") or before).type if name == "_to_copy" else args[0].device.type
            asynchronous = after == META and (kwargs.get("non_blocking") or args[2:] == (True,))
            assert before == after or asynchronous, f"{name} copies from {before} to {after}, and the host waits"
        self.ran.append((whole, *(tuple(value.shape) for value in given)))
        return operation(*args, **kwargs)


class _Made(TorchFunctionMode):
    """Refuses tensors that are made on the host for another device."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        elsewhere = torch.device(kwargs.get("device") or "cpu").type != "cpu"
        assert not (function in MADE_ON_HOST and elsewhere), f"{function.__name__} copies from the host, which waits"
        return function(*args, **kwargs)


@contextmanager
def without_waiting() -> Iterator[list[tuple[Any, ...]]]:
    """Fails if the block makes the host wait for a GPU, or runs an operation that is not deterministic there; gives the
    operations that it has run, with the shapes of their tensors."""
    with _Made(), _Watched() as watched:
        yield watched.ran


def operations_of(run: Callable[[], object]) -> list[tuple[Any, ...]]:
    """The operations of a run that never waits, with the shapes of their tensors."""
    with without_waiting() as ran:
        run()
    return list(ran)
