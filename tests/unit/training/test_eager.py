"""Optimisers without torch.compile: the same steps, and a process that never imports it."""

import subprocess
import sys

import pytest

STEPS = """
import sys
import torch
from ganflow.config import Choice
from ganflow.components import component, names
from ganflow.methods.interfaces import Optimizer
from ganflow.training.eager import without_compiler

def trained(name):
    torch.manual_seed(0)
    layer = torch.nn.Linear(5, 3)
    optimizer = component(Optimizer, Choice(name=name), "o").build(layer.parameters(), "critic")
    for _ in range(3):
        optimizer.zero_grad(set_to_none=True)
        layer(torch.randn(4, 5)).square().sum().backward()
        optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    return [value.tolist() for value in layer.parameters()], str(optimizer.state_dict())

kinds = (torch.optim.Optimizer, torch.optim.Adam)
before = [dict(vars(kind)) for kind in kinds]
without_compiler()
found = [trained(name) for name in names(Optimizer)]
assert "torch._dynamo" not in sys.modules
for kind, methods in zip(kinds, before):
    for name in ("add_param_group", "zero_grad", "state_dict", "load_state_dict", "step"):
        if name in methods:
            setattr(kind, name, methods[name])
assert found == [trained(name) for name in names(Optimizer)]
assert "torch._dynamo" in sys.modules
"""


@pytest.mark.slow
def test_steps_are_the_same_and_the_compiler_is_not_imported():
    subprocess.run([sys.executable, "-c", STEPS], check=True)
