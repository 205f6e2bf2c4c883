"""The command line: exit codes, one sentence for a mistake, and quick help."""

import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ganflow.stages import cli, execution
from ganflow.stages.cli import COMMANDS, STAGES

TOP = Path(__file__).resolve().parents[2]
PATHS = {"PATH": os.environ["PATH"]}


def ganflow(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ganflow", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, env={"PYTHONPATH": str(TOP / "src")}
    )


def test_help_lists_the_stages_without_importing_torch():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "ganflow", "--help"], cwd=TOP, capture_output=True, text=True
    )
    assert done.returncode == 0
    for stage in (*STAGES, *COMMANDS):
        assert stage in done.stdout
    assert "torch" not in done.stderr and "pydantic" not in done.stderr


@pytest.mark.parametrize("stage", [["extractor"], ["download", "rendered_objects"]])
def test_stages_that_compute_nothing_start_without_torch(tmp_path, stage):
    (tmp_path / "params.yaml").write_text((TOP / "profiles/tiny.yaml").read_text())
    command = [sys.executable, "-X", "importtime", "-m", "ganflow", *stage]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": str(TOP / "src")}, check=True
    )
    imported = set(re.findall(r"\| +([\w.]+)$", done.stderr, re.MULTILINE))
    assert "pydantic" in imported and "torch" not in imported


def test_what_a_process_says_last_arrives_and_its_exit_code_too(tmp_path):
    (tmp_path / "params.yaml").write_text((TOP / "profiles/tiny.yaml").read_text())
    for arguments, code in ((["verify"], 1), (["status"], 0), (["train", "none", "none", "0"], 2), (["nothing"], 2)):
        done = ganflow(tmp_path, *arguments)
        assert done.returncode == code and (done.stdout + done.stderr).endswith("\n"), arguments
    assert ganflow(tmp_path, "status").stdout.endswith("estimates the cost\n")


def test_device_auto_without_a_plan(tmp_path):
    (tmp_path / "params.yaml").write_text(
        (TOP / "profiles/tiny.yaml").read_text().replace("device: cpu", "device: auto")
    )
    done = ganflow(tmp_path, "download", "rendered_objects")
    assert done.returncode == 2 and "run `python -m ganflow plan`" in done.stderr


def test_a_failed_stage_keeps_the_artifact_that_was_there(tmp_path):
    (tmp_path / "params.yaml").write_text((TOP / "profiles/tiny.yaml").read_text())
    assert ganflow(tmp_path, "download", "rendered_objects").returncode == 0
    before = (tmp_path / "data/raw/rendered_objects/manifest.json").read_bytes()
    broken = (tmp_path / "params.yaml").read_text().replace("train: 100", "train: 101")  # not a multiple of five
    (tmp_path / "params.yaml").write_text(broken)
    done = ganflow(tmp_path, "download", "rendered_objects")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert (tmp_path / "data/raw/rendered_objects/manifest.json").read_bytes() == before
    assert not list(tmp_path.rglob("*.partial"))


def test_stages_that_run_at_once_claim_different_gpus(tmp_path):
    code = "import time; from ganflow.stages.execution import claim_gpu; print(claim_gpu(2), flush=True); time.sleep(9)"
    (tmp_path / "build").mkdir()
    command, path = [sys.executable, "-c", code], {"PYTHONPATH": str(TOP / "src")}
    started = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=path) for _ in range(2)]
    assert sorted(process.stdout.readline() for process in started) == ["0\n", "1\n"]
    for process in started:
        process.kill()
        process.wait()
    assert execution.claim_gpu(0) == 0


def test_output_that_nobody_reads_to_the_end(tmp_path):
    (tmp_path / "params.yaml").write_text((TOP / "profiles/tiny.yaml").read_text())
    command = f"{sys.executable} -u -m ganflow verify | head -n 1"
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": str(TOP / "src"), **PATHS}
    )
    assert done.stdout.count("\n") == 1 and "Traceback" not in done.stderr


def test_the_disk_errors_that_copying_a_folder_collects_are_told_in_a_sentence(tmp_path):
    def copy_on_a_full_disk(source, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), target)

    (tmp_path / "from").mkdir()
    (tmp_path / "from/file").touch()
    with pytest.raises(shutil.Error) as collected:
        shutil.copytree(tmp_path / "from", tmp_path / "to", copy_function=copy_on_a_full_disk)
    assert cli._mistake(collected.value, "train") == "no space left on device; make room and run it again"
    assert cli._mistake(OSError(errno.EFBIG, "any", "a.tar"), "shard") == (
        "a.tar: file too large; raise `ulimit -f` and run it again"
    )
