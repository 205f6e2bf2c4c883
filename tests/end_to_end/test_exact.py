"""Exactness on the tiny experiment: killed, failed, switched or restored, either engine ends with the same bytes.

`make exact` runs the long form, with more kills, core counts and places, and prints what it saw.
"""

import os
import random
import re
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from repository import Clone, environment_of, ran

from ganflow.stages.cli import main

pytestmark = pytest.mark.slow
LONG = os.environ.get("GANFLOW_EXACT") == "long"
DVC, SNAKEMAKE = "dvc repro", "snakemake --cores 2 --quiet rules"
OF_A_RUN = ("train", "generate", "evaluate")


def longer(clone) -> None:
    """Trainings of some seconds, with a checkpoint every few iterations, so that a kill finds something to cut off."""
    clone.edit("params.yaml", "iterations: 6,", "iterations: 150,")
    clone.edit(
        "params.yaml", "3, snapshot_every: 2, checkpoint_every: 2", "30, snapshot_every: 40, checkpoint_every: 10"
    )


def killed(clone) -> None:
    """The experiment that is killed: longer trainings; in the quick form both of one dataset, scored by pixels."""
    longer(clone)
    if not LONG:
        clone.edit("params.yaml", "datasets: [rendered_bedrooms]", "datasets: [rendered_objects]")
        text = (clone.folder / "params.yaml").read_text()
        text = re.sub(r"^  (rendered_bedrooms|extractor):.*\n", "", text, flags=re.MULTILINE)
        (clone.folder / "params.yaml").write_text(text.replace(", frechet_distance]", "]"))
    clone.run("python -m ganflow runs")


@pytest.fixture
def undisturbed(once, preloaded, environment) -> Clone:
    """A clone in which the longer trainings ran to their end; not to be changed."""

    def fill(folder: Path) -> None:
        clone = Clone.fresh(folder, preloaded.serving(environment_of(folder.with_name("cache"))))
        killed(clone)
        clone.run(DVC)

    return Clone(once("undisturbed", fill), environment)


@pytest.fixture
def verified(monkeypatch, capsys):
    """Whether `verify`, in this process, finds a clone whole."""

    def check(clone) -> bool:
        monkeypatch.chdir(clone.folder)
        code = main(["verify"])
        return code == 0 and capsys.readouterr().out.endswith("all equal\n")

    return check


def kill(clone, command: str, number: int, after: float) -> bool:
    """Starts a command and sends all its processes a signal after some seconds; whether it was still running.

    Snakemake's handler of SIGTERM takes a lock that its main thread may hold at that moment (version 9.27: whenever it
    is recording a finished job), and then waits for ever: that one process, with all others gone, is killed.
    """
    process = subprocess.Popen(
        command,
        shell=True,
        cwd=clone.folder,
        env=clone.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with suppress(subprocess.TimeoutExpired):
        process.wait(after)
    struck = going_on(clone)
    for found in struck:
        with suppress(ProcessLookupError):
            os.kill(found, number)
    began = time.monotonic()
    process.wait(timeout=60)
    while left := going_on(clone):
        if time.monotonic() - began > 30:
            stuck = command == SNAKEMAKE and number == signal.SIGTERM and all("snakemake" in c for c in left.values())
            assert stuck, f"went on after the signal: {left}"
            for found in left:
                with suppress(ProcessLookupError):
                    os.kill(found, signal.SIGKILL)
        time.sleep(0.1)
    return bool(struck)


def going_on(clone) -> dict[int, str]:
    """{process id: command line} of what runs in a clone, without processes that ended and that nobody has collected
    yet."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if Path(os.readlink(process / "cwd")).is_relative_to(clone.folder):
                found[int(process.name)] = (process / "cmdline").read_text()
    return found


def test_killed_at_random_moments_either_engine_goes_on_to_the_same_bytes(clones, undisturbed, verified):
    draw = random.Random(os.environ.get("GANFLOW_SEED", "0"))
    expected = undisturbed.digests()
    plans = [(SNAKEMAKE, DVC), (DVC, SNAKEMAKE)] + LONG * [(DVC, DVC), (SNAKEMAKE, SNAKEMAKE)] * 2
    for index, (first, finishing) in enumerate(plans):
        clone = clones(f"killed-{index}")
        killed(clone)
        clone.run("dvc repro --quiet plan")
        numbers = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT) * (3 if LONG else 1)
        assert any([kill(clone, first, number, after=draw.uniform(0.5, 5)) for number in numbers])
        clone.run("python -m ganflow runs")  # as `make reproduce` and the Snakefile do: it mends what DVC left cut off
        clone.run(finishing)
        assert clone.digests() == expected, f"{first} killed, {finishing} to the end"
        assert verified(clone)
        assert not list(clone.folder.glob("build/scratch/train/*"))


@pytest.mark.whole_processes
def test_ctrl_c_ends_soon_and_says_how_to_go_on(clone):
    longer(clone)
    clone.edit("params.yaml", "iterations: 150,", "iterations: 100000,")
    clone.run("dvc repro --quiet shard@rendered_objects")
    command = ["python", "-m", "ganflow", "train", "rendered_objects", "wgan_gp", "0"]
    process = subprocess.Popen(
        command, cwd=clone.folder, env=clone.environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while not list(clone.folder.glob("build/scratch/train/*/*.safetensors")):
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    try:
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert said.endswith("ganflow: train interrupted; the same command goes on from what is finished\n")
    assert "Traceback" not in said
    assert not (clone.folder / "results/tiny/runs/rendered_objects/wgan_gp").exists()


@pytest.mark.skipif(not LONG, reason="part of `make exact`; the quick form is in test_engines.py")
@pytest.mark.parametrize("cores", [1, 2, 8])
def test_cores_places_locales_timezones_and_umasks(clones, cores):
    by_dvc, by_snakemake = clones("by-dvc"), clones(f"a place with ümlauts/{cores}")
    by_dvc.run(DVC)
    place = {1: ("C", "UTC", "077"), 2: ("C.UTF-8", "Asia/Tokyo", "022"), 8: ("POSIX", "America/St_Johns", "002")}[
        cores
    ]
    locale, zone, umask = place
    by_snakemake.run(f"umask {umask}; snakemake --cores {cores} --quiet rules", LC_ALL=locale, TZ=zone)
    assert by_dvc.digests() == by_snakemake.digests()


@pytest.mark.parametrize("command", ["dvc repro --keep-going", SNAKEMAKE])
def test_a_failing_variant_leaves_itself_its_scores_and_the_report_undone(reproduced, command):
    clone = reproduced("clone")
    clone.edit("params.yaml", "lr: 1.0e-4", "lr: 2.0e-4")  # so that another variant is to be done beside it
    broken = clone.folder / "src/ganflow/methods/objectives/broken.py"
    source = (clone.folder / "src/ganflow/methods/objectives/non_saturating.py").read_text()
    broken.write_text(
        source.replace("NonSaturating", "Broken").replace("return softplus(-fake).mean()", "raise SystemExit(3)")
    )
    line = (
        "  broken: {datasets: [rendered_objects], network: {dcgan: {width: 4}}, objective: broken, optimizer: adam}\n"
    )
    clone.edit("params.yaml", "variants:\n", f"variants:\n{line}")
    if command != SNAKEMAKE:  # it reads the list of runs when it starts, and stops where that has changed
        refused = clone.run(command, check=False)
        assert refused.returncode != 0 and ran(refused.stdout) == {"plan"}
        sentence = (
            "workflow/runs.yaml: the list of runs changed with params.yaml and is now written; run `dvc repro` again"
        )
        assert sentence in refused.stdout + refused.stderr
    assert clone.run(command, check=False).returncode != 0
    undone = {f"{stage}@rendered_objects-broken-0" for stage in OF_A_RUN} | {"report"}
    stale = set(re.findall(r"^(\S+):$", clone.run("dvc status").stdout, re.MULTILINE))
    assert stale == undone
    broken.write_text(source)
    done = clone.run("dvc repro").stdout
    assert ran(done) == {"plan"} | undone


def test_switching_profiles_and_back_recomputes_nothing(reproduced):
    clone = reproduced("clone")
    first, results = clone.digests(), clone.folder / "results"
    clone.run("cp params.yaml kept.yaml")
    clone.edit("params.yaml", "experiment: tiny", "experiment: other")
    clone.edit("params.yaml", "lr: 2.0e-4", "lr: 3.0e-4")
    switched = ran(clone.run(DVC).stdout)
    assert "train@rendered_bedrooms-dcgan-0" in switched
    assert not any(stage.startswith(("extract", "download", "shard", "reference")) for stage in switched)
    assert {folder.name for folder in results.iterdir()} == {"tiny", "other"}
    clone.run("mv kept.yaml params.yaml")
    assert ran(clone.run(DVC).stdout) == set()
    assert clone.digests() == first
    assert "Nothing to be done" in (done := clone.run("snakemake --dry-run --cores 2")).stdout + done.stderr


def test_what_another_machine_ran_is_restored_through_the_run_cache(reproduced, clones, tmp_path):
    first, second = reproduced("first"), clones("second")  # the second has no dvc.lock of the first
    for clone in (first, second):
        clone.run(f"dvc remote add --quiet --default shared {tmp_path}/shared")
    first.run("dvc push --quiet --run-cache")
    second.run("dvc fetch --quiet --run-cache", check=False)
    done = second.run("dvc repro --pull")
    assert not any(stage.startswith(("train", "download")) for stage in ran(done.stdout)), done.stdout
    assert second.digests() == first.digests()


def test_after_a_pull_only_what_changed_runs(reproduced, tmp_path, environment):
    first = reproduced("first")
    first.run(f"dvc remote add --quiet --default shared {tmp_path}/shared && dvc push --quiet")
    first.run(f"git add --all && git commit --quiet --message results && git clone --quiet . {tmp_path}/second")
    second = Clone(tmp_path / "second", environment)
    second.run("dvc pull --quiet && find . -name __pycache__ -prune -exec rm -r {} +")
    with (second.folder / "src/ganflow/methods/constraints/gradient_penalty.py").open("a") as file:
        file.write("\nEDITED = True\n")
    expected = {f"{stage}@rendered_objects-wgan_gp-0" for stage in OF_A_RUN} | {"report"}
    planned = second.run("snakemake --dry-run --cores 2 --printshellcmds")
    assert set(re.findall(r"workflow\.job +(?:--force )?(\S+)", planned.stdout + planned.stderr)) == expected
    said = second.run(DVC).stdout  # an equal result, so the scores need not be computed again
    assert {stage for stage in ran(said) if stage.startswith("train")} == {s for s in expected if s.startswith("train")}
