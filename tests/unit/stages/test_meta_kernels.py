"""torch without its kernels for tensors without data: they are there as soon as something asks for them."""

import subprocess
import sys

import pytest
from repository import TOP

STEPS = """
import sys
from ganflow.stages.meta_kernels import MODULE, defer_meta_kernels

defer_meta_kernels()
import torch

assert "torch._decomp" not in sys.modules, "imported with torch"
layer, expected = torch.nn.Linear(5, 3), None
layer(torch.ones(4, 5)).square().sum().backward()
assert "torch._decomp" not in sys.modules, "imported by a step"

if sys.argv[1] == "compiler":
    import torch._dynamo
else:
    import torch._meta_registrations
    assert torch._meta_registrations.meta_fft_c2c
assert "torch._decomp" in sys.modules
assert torch.fft.fft(torch.empty(3, 4, device="meta")).shape == (3, 4)
"""


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["by name", "compiler"])
def test_torch_computes_without_them_and_they_come_when_asked_for(asked):
    environment = {"PYTHONPATH": str(TOP / "src")}
    done = subprocess.run([sys.executable, "-c", STEPS, asked], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
