"""Optimisers of torch without its compiler: each of their methods imports torch.compile, which takes seconds, to be
excluded from it."""

from functools import cache
from inspect import unwrap

import torch
from torch.optim import Adam, Optimizer


@cache
def without_compiler() -> None:
    """Unwraps the methods of torch's optimisers in this process; what they compute stays the same."""
    for name in ("add_param_group", "zero_grad", "state_dict", "load_state_dict"):
        setattr(Optimizer, name, unwrap(getattr(Optimizer, name)))
    setattr(Adam, "step", torch.no_grad()(unwrap(Adam.step)))  # noqa: B010 (mypy knows no assignment to a method)
