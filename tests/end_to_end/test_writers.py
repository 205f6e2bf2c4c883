"""One writer a unit: a second process of any kind is refused in one sentence, and a dead one is no obstacle."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from repository import TOP, environment_of

from ganflow import config, locks
from ganflow.artifacts import change_manifest, read_manifest
from ganflow.locks import held
from ganflow.stages.cli import main
from ganflow.stages.execution import lock_path
from ganflow.stages.units import units

RUN = "rendered_objects wgan_gp 0"
TRAIN = ["python", "-m", "ganflow", "train", *RUN.split()]
ADDRESS = f"train@{RUN.replace(' ', '-')}"


def begin(clone, command: list[str]) -> subprocess.Popen[str]:
    """Starts a command, as a process that its own processes outlive, and waits for the first checkpoint of the training
    that it runs."""
    whole = environment_of(clone.folder.with_name("cache"))
    process = subprocess.Popen(command, cwd=clone.folder, env=whole, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 120
    while not list(clone.folder.glob("build/scratch/train/*/*.safetensors")):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    return process


def holder(clone) -> int:
    return int((clone.folder / f"build/locks/train-{RUN.replace(' ', '-')}.lock").read_text().split()[0])


def refused(clone, command: str, pid: int) -> None:
    """The command ends with one sentence that names the process, without a traceback, and changes no output."""
    done = clone.run(command, check=False)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in said
    sentence = (
        rf"ganflow: train {RUN}: process {pid} on \S+, since [\d: -]+, is at it; wait until it is done, or end it"
    )
    assert len(re.findall(rf"{sentence} with `kill {pid}`, and run this again", said)) == 1, said


@pytest.fixture
def started():
    """The numbers of processes that are ended with the test, however it ends."""
    numbers: list[int] = []
    yield numbers
    for number in numbers:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


@pytest.mark.slow
def test_an_orphan_of_a_killed_engine_is_the_only_writer_until_it_is_ended(clone, started):
    """DVC is killed alone, as by `kill -9` or the system short of memory, and its training goes on."""
    clone.edit("params.yaml", "iterations: 6,", "iterations: 100000,")
    clone.run(f"dvc repro --quiet {ADDRESS.replace('train', 'shard').removesuffix('-wgan_gp-0')}")
    engine = begin(clone, ["dvc", "repro", "--single-item", ADDRESS])
    orphan = holder(clone)
    started.append(orphan)
    said = clone.run("snakemake --cores 1 --dry-run", check=False)  # as after a SIGINT to Snakemake alone
    sentence = (
        rf"ganflow: train-{RUN.replace(' ', '-')}: process {orphan} on \S+, since .*, is at it; wait until it is done"
    )
    told = said.stdout + said.stderr  # a dry run says errors on stdout
    assert said.returncode and re.search(sentence, told) and "Traceback" not in told
    engine.kill()
    engine.wait()
    assert Path(f"/proc/{orphan}").exists() and orphan != engine.pid

    for command in (
        " ".join(TRAIN),
        f"dvc repro --single-item {ADDRESS}",
        f"python -m ganflow verify --rerun 'train {RUN}'",
    ):
        refused(clone, command, orphan)
    assert Path(f"/proc/{orphan}").exists() and "is at it" not in clone.run("python -m ganflow clean").stdout

    os.kill(orphan, signal.SIGTERM)  # what the sentence says
    while Path(f"/proc/{orphan}").exists() and "Z" not in Path(f"/proc/{orphan}/stat").read_text().rsplit(")")[1][:3]:
        time.sleep(0.05)
    clone.edit("params.yaml", "iterations: 100000,", "iterations: 6,")
    assert ADDRESS in clone.run(f"dvc repro {ADDRESS}").stdout
    manifest = json.loads((clone.folder / f"results/tiny/runs/{RUN.replace(' ', '/')}/manifest.json").read_text())
    assert manifest["parameters"]["training"]["iterations"] == 6
    old = clone.run("python -m ganflow clean --remove").stdout
    assert f"train {RUN} with other parameters, code or versions" in old


def test_every_stage_and_whatever_else_writes_outputs_is_refused_beside_another(finished, monkeypatch, capfd):
    """Beside holders of all locks of units; all outputs stay as they were."""
    monkeypatch.setattr(locks, "PATIENCE", 0.0)
    known = list(units(config.load(), "cpu"))
    trained = next(unit for unit in known if str(unit) == "train rendered_objects wgan_gp 0")
    code = read_manifest(trained.output)["code"]
    change_manifest(trained.output, {"code": code | {"ganflow.training.loop": "0" * 64}})  # something to accept
    commands = [["accept", str(trained)], ["verify", "--rerun", str(trained)]]
    commands += {unit.stage: [unit.stage, *unit.axes] for unit in known}.values()
    before = {path: path.stat().st_ino for path in Path().glob("[dr]*/**/*")}
    with ExitStack() as elsewhere:
        for unit in known:
            elsewhere.enter_context(held(lock_path(unit), "the work"))
        for command in commands:
            assert main(command) == 2
            said = capfd.readouterr().err
            assert f": process {os.getpid()} on " in said and said.count("is at it; wait") == 1, said
            assert "Traceback" not in said
    assert {path: path.stat().st_ino for path in Path().glob("[dr]*/**/*")} == before
    assert main(["verify", "--rerun", "extractor"]) == 0  # when the others have ended
    assert len(commands) == 12


@pytest.mark.slow
def test_publishers_wait_for_one_another_and_say_so(finished):
    with held(Path("mlflow.db.lock"), "the first"):
        command, path = [sys.executable, "-m", "ganflow", "publish"], os.environ | {"PYTHONPATH": str(TOP / "src")}
        second = subprocess.Popen(command, env=path, stdout=-1, stderr=-1, text=True)
        assert second.stderr.readline().startswith(f"publish: waiting for process {os.getpid()} on ")
    out, _ = second.communicate(timeout=120)
    assert second.returncode == 0 and "4 runs published" in out
