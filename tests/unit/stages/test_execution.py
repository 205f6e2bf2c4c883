"""What a unit's log says of the hardware."""

import pytest
import torch

from ganflow.stages.execution import gpu_facts


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_the_log_names_none():
    assert gpu_facts() == {}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_gpu_is_named_with_the_peak_of_its_memory():
    torch.ones(2**20, device="cuda")
    assert gpu_facts()["gpu"] == torch.cuda.get_device_name() and gpu_facts()["peak_device_memory_mib"] >= 4
