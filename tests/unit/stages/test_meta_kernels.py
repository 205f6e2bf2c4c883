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


LOADS = """
import sys
from pathlib import Path

from ganflow.stages.meta_kernels import defer_meta_kernels

defer_meta_kernels()
import torch
from torch import nn

from ganflow.config import Choice
from ganflow.networks.building import Blueprint
from ganflow.networks.families.dcgan import DCGAN
from ganflow.training.weights import load_export
from ganflow.tensor_files import save_tensors


class Family(DCGAN):
    def generator(self, resolution, latent, classes=0):
        made = super().generator(resolution, latent, classes)
        made.register_buffer("order", torch.arange(6) // 2)
        return made


sys.modules["ganflow.networks.families.dcgan"].DCGAN = Family
Family.__module__ = "ganflow.networks.families.dcgan"
about = {"module": "generator", "iteration": 1, "network": {"name": "dcgan", "settings": {"width": 4}}}
about |= {"part": "generator", "arguments": {"resolution": 16, "latent": 3}, "scale": 1.0}
about |= {"takes": "latent", "gives": "samples"}
about |= {"dataset": "d", "variant": "v", "seed": 0, "shape": [16, 16, 3], "latent": 3, "classes": 0, "data": "0" * 64}
save_tensors(Path(sys.argv[1]), Family(width=4).generator(16, 3).state_dict(), about)
module, _ = load_export(sys.argv[1])
assert module.order.tolist() == [0, 0, 1, 1, 2, 2]
"""


@pytest.mark.slow
def test_weights_of_a_network_that_needs_them_load(tmp_path):
    """aten::floor_divide has no other kernel for tensors without data."""
    environment = {"PYTHONPATH": str(TOP / "src")}
    command = [sys.executable, "-c", LOADS, str(tmp_path / "generator.safetensors")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
