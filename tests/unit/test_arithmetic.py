"""Portable arithmetic is set in time or refused in one sentence that says what to write instead."""

import os
import platform
import subprocess
import sys

import pytest
from repository import TOP

from ganflow import arithmetic, config
from ganflow.errors import UserError
from ganflow.stages import plan
from ganflow.stages.units import units

INSTEAD = "write `compute: {arithmetic: native}`"
OLD_CPU = "processor\t: 0\nmodel name\t: Some Xeon X5570\nflags\t\t: fpu sse4_2 popcnt\n"


def test_this_machine_is_not_refused():
    assert arithmetic.refusal() is None


def test_a_cpu_without_avx2_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(arithmetic, "CPUINFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text(OLD_CPU)
    said = arithmetic.refusal()
    assert "this CPU, Some Xeon X5570, has no AVX2" in said and INSTEAD in said and "\n" not in said


def test_another_architecture_is_refused(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    said = arithmetic.refusal()
    assert "this machine is aarch64, not x86-64" in said and INSTEAD in said and "\n" not in said


@pytest.mark.slow
def test_too_late_is_refused_and_in_time_is_kept():
    """In processes of their own, without the variables that this one has set."""
    code = "import os, sys; sys.path.insert(0, sys.argv[1]); from ganflow import arithmetic\n"
    late = "import torch; arithmetic.configure(1, 'portable')"
    portable = "arithmetic.configure(1, 'portable'); import torch; "
    twice = portable + "arithmetic.configure(2, 'portable'); arithmetic.exact('portable')"
    native = "arithmetic.configure(1, 'native'); import numpy\n"
    native += "print(sorted(os.environ.keys() & arithmetic.PORTABLE.keys()))"

    def run(text: str) -> subprocess.CompletedProcess[str]:
        command = ["env", *(f"--unset={name}" for name in arithmetic.PORTABLE), sys.executable, "-c", code + text]
        return subprocess.run([*command, TOP / "src"], capture_output=True, text=True)

    said = "takes effect before numpy and torch are imported, and {}: call"
    assert said.format("they are") in run(late).stderr
    assert said.format("numpy is") in run(late.replace("torch", "numpy")).stderr
    assert run(twice).returncode == 0
    assert run(native).stdout == "[]\n"


OF_A_USER = {
    "ATEN_CPU_CAPABILITY": "default",
    "DNNL_DEFAULT_FPMATH_MODE": "ANY",
    "MKL_CBWR": "SSE2",
    "MKL_DYNAMIC": "TRUE",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3",
    "NVIDIA_TF32_OVERRIDE": "1",
    "OMP_NUM_THREADS": "7",
    "OMP_THREAD_LIMIT": "1",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Prescott",
}
COMPUTE = """
import os, sys
sys.path.insert(0, sys.argv[1])
from ganflow import arithmetic
arithmetic.configure(1, sys.argv[2])
import numpy, torch
torch.manual_seed(0)
images, kernels = torch.randn(8, 16, 32, 32), torch.randn(16, 16, 5, 5)
made = torch.nn.functional.conv2d(images, kernels).exp().sum(), images.flatten(1) @ images.flatten(1).T
made = *(part.sum().item().hex() for part in made), float(numpy.exp(kernels.numpy()).sum()).hex()
print(*made, torch.get_num_threads(), torch.backends.cpu.get_cpu_capability())
print(*sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith(arithmetic.DECIDING)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("arithmetic_kind", ["portable", "native"])
def test_variables_of_the_environment_change_no_bit(arithmetic_kind):
    ours = {name: value for name, value in os.environ.items() if not name.startswith(arithmetic.DECIDING)}
    command = [sys.executable, "-c", COMPUTE, TOP / "src", arithmetic_kind]
    said = [
        subprocess.run(command, capture_output=True, text=True, check=True, env=ours | settings).stdout
        for settings in ({}, OF_A_USER | {"OMP_PROC_BIND": "false"})
    ]
    assert said[1].replace(" OMP_PROC_BIND=false", "") == said[0] and "OMP_PROC_BIND" in said[1]


def test_torch_that_runs_other_kernels_is_refused(monkeypatch):
    import torch

    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    with pytest.raises(UserError, match="torch runs its DEFAULT kernels here, not those for AVX2; write"):
        arithmetic.exact("portable")
    arithmetic.exact("native")


def test_bfloat16_on_a_cpu_is_native(tmp_path, monkeypatch):
    text = (TOP / "profiles/tiny.yaml").read_text().replace("iterations: 6,", "iterations: 6, precision: bfloat16,")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(text)
    refused = "variants.dcgan: training.precision = 'bfloat16': portable arithmetic on a CPU is"
    with pytest.raises(UserError, match=refused):
        plan.run(config.load())
    (tmp_path / "params.yaml").write_text(text.replace("device: cpu", "device: cpu, arithmetic: native"))
    plan.run(config.load())


@pytest.fixture
def of_this_process():
    """Settings of torch that hold for a whole process, put back in the end."""
    import torch

    mode, fill = torch.get_deterministic_debug_mode(), torch.utils.deterministic.fill_uninitialized_memory
    allowed = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    yield
    torch.set_deterministic_debug_mode(mode)
    torch.utils.deterministic.fill_uninitialized_memory = fill
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = allowed


@pytest.mark.parametrize("tf32", [False, True])
def test_exact_is_deterministic_and_without_tf32_unless_asked(of_this_process, tf32):
    import torch

    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = not tf32
    arithmetic.exact("native", tf32)
    assert torch.backends.cudnn.allow_tf32 == torch.backends.cuda.matmul.allow_tf32 == tf32
    assert torch.are_deterministic_algorithms_enabled() and not torch.is_deterministic_algorithms_warn_only_enabled()
    assert not torch.utils.deterministic.fill_uninitialized_memory and not torch.backends.cudnn.benchmark
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_tf32_is_of_gpus_and_of_the_training_alone(tmp_path, monkeypatch):
    text = (TOP / "profiles/tiny.yaml").read_text()
    monkeypatch.chdir(tmp_path)
    digests = {}
    for precision in ("float32", "tf32"):
        asked = text.replace("iterations: 6,", f"iterations: 6, precision: {precision},")
        (tmp_path / "params.yaml").write_text(asked)
        experiment = config.load()
        digests[precision] = {str(unit): unit.digest for unit in units(experiment, "cuda")}
    changed = {name for name, digest in digests["tf32"].items() if digest != digests["float32"][name]}
    assert {name.partition(" ")[0] for name in changed} == {"train"} and len(changed) == len(experiment.runs)
    with pytest.raises(UserError, match="variants.dcgan: training.precision = 'tf32': TF32 is a number format of GPUs"):
        plan.run(experiment)
