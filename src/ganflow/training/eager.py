"""torch's optimisers without torch.compile, which each of their methods imports, for seconds, to be left out of it."""

from functools import cache
from inspect import unwrap

import torch
from torch.optim import Adam, Optimizer, RMSprop


@cache
def without_compiler() -> None:
    """Lets the optimisers of this process run as they stand; what they compute stays the same."""
    for name in ("add_param_group", "zero_grad", "state_dict", "load_state_dict"):
        setattr(Optimizer, name, unwrap(getattr(Optimizer, name)))
    for kind in (Adam, RMSprop):
        setattr(kind, "step", torch.no_grad()(unwrap(kind.step)))  # noqa: B010 (mypy knows no assignment to a method)
