"""Mistakes: each is told in one sentence that names the file, key or value and the cure; exit code 2; nothing is left
half-written, and nothing good is lost."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from repository import TOP

from ganflow.artifacts import read_manifest
from ganflow.config import Experiment, load
from ganflow.data import http_transfer
from ganflow.stages import shard
from ganflow.stages.cli import main
from ganflow.stages.graph import STAGES
from ganflow.training.loop import Trainer

OBJECTS = "rendered_objects"
RUN = f"results/tiny/runs/{OBJECTS}/dcgan/0"
GENERATED = f"results/tiny/generated/{OBJECTS}/dcgan/0"
SHARDS = f"data/shards/{OBJECTS}/train"
FILES = "{files: {archives: {cifar-10-binary.tar.gz: {location: %s, sha256: %s}}}}"
RENDERED = "{rendered: {train: 100, validation: 20}}"

# (what stands in params.yaml, what is written instead, what is said): refused when planning
PARAMETERS = [
    ("batch_size: 8", "batchsize: 8", r"training\.batchsize: unknown key; did you mean `batch_size`\?"),
    ("iterations: 6", "iterations: 0", r"training\.iterations = 0: .*greater than or equal to 1"),
    ("iterations: 6", "iterations: '6'", r"training\.iterations = '6': .*valid integer"),
    ("iterations: 6, ", "", r"training\.iterations: is missing"),
    ("ema: 0.5", "ema: 1.0", r"training\.ema\.decay = 1\.0: .*less than 1"),
    ("seeds: [0, 1]", "seeds: [0, 0]", r"seeds: is not a list of different seeds"),
    ("seeds: [0, 1]", "seeds: []", r"seeds: is empty; name at least 1"),
    ("seeds: [0, 1]", "seeds: [-1]", r"seeds\.0 = -1: .*greater than or equal to 0"),
    ("experiment: tiny", "experiment: Tiny-1", r"experiment = 'Tiny-1': a name has lower-case"),
    ("experiment: tiny", "experiment: ../tiny", r"experiment = '\.\./tiny': a name has lower-case"),
    ("rendered_objects:", "cifar10:", r"datasets\.cifar10: .*starts with `rendered_`"),
    ("checkpoint_every: 2", "checkpoint_every: 3", r"checkpoint_every = 3 must be a multiple of journal_every = 2"),
    ("critic_steps: 2", "critic_step: 2", r"variants\.wgan_gp\.critic_step: unknown key; did you mean `critic_steps`"),
    ("critic_steps: 2", "critic_steps: 2, training: {iteration: 3}", r"wgan_gp\.training\.iteration: unknown"),
    ("device: cpu", "device: gpu", r"compute\.device = 'gpu'"),
    ("device: cpu", "device: cuda", r"compute\.device = 'cuda': torch finds no CUDA device here; set cpu or auto"),
    ("threads: 1", "threads: 0", r"compute\.threads = 0: .*greater than or equal to 1"),
    ("resolution: 16", "resolution: 4", r"datasets\.rendered_objects\.resolution = 4"),
    ("resolution: 16", "resolution: 48", r"network = 'dcgan' makes images of 16, 32, 64, 128 pixels, not 48"),
    (f"source: {RENDERED}", "source: [1]", r"source: write a name, or a name with its settings"),
    (f"source: {RENDERED}", "source: {rendered: {train: 100}}", r"source\.rendered\.validation: is missing"),
    (
        "source: {rendered:",
        "source: {sampled:",
        r"rendered_objects: its source is `sampled`; a dataset with",
    ),
    ("format: cifar10", "format: cifar100", r"format = 'cifar100': there is no such component; did you mean `cifar10`"),
    ("experiment: tiny", "experiment: tiny\nexperiment: other", r"line 4: not valid YAML"),
    ("experiment: tiny", "experiment: !!python/object:os.system x", r"params\.yaml.*YAML"),
    ("experiment: tiny", "experiment: [", r"line \d+: not valid YAML"),
    ("network: {dcgan: {width: 4}}", "network: {dcgann: {width: 4}}", r"did you mean `dcgan`\?"),
    ("network: {dcgan: {width: 4}}", "network: {dcgan: {with: 4}}", r"dcgan\.with: unknown key; did you mean `width`"),
    ("network: {dcgan: {width: 4}}", "network: {dcgan: {width: 0}}", r"network\.dcgan\.width = 0: .*greater than or"),
    ("objective: non_saturating", "objective: nonsaturating", r"did you mean `non_saturating`\?"),
    ("constraint: gradient_penalty", "constraint: {gradient_penalty: {weight: -1.0}}", r"weight = -1\.0: .*greater"),
    ("constraint: gradient_penalty", "constraint: gradient_penality", r"did you mean `gradient_penalty`\?"),
    ("critic_norm: none", "critic_norm: batch", r"gradient_penalty': the penalty is defined for each sample"),
    (", constraint: gradient_penalty", "", r"constraint = 'none': a Wasserstein critic without a constraint"),
    ("objective: non_saturating", "objective: non_saturating, constraint: weight_clipping", r"sigmoid loss"),
    ("adam: {lr: 2.0e-4}", "adam: {lr: 0.0}", r"optimizer\.adam\.lr = 0\.0: .*greater than 0"),
    ("adam: {lr: 2.0e-4}", "adam: {lr: 1e-4x}", r"optimizer\.adam\.lr = '1e-4x': .*valid number"),
    ("betas: [0.0, 0.9]", "betas: [0.0, 1.5]", r"adam\.betas\.1 = 1\.5: .*less than 1"),
    ("metrics: [{sliced", "metrics: [sliced_wasserstein, {sliced", r"evaluation\.metrics\.1 = .*is listed twice"),
    ("metrics: [{sliced_wasserstein", "metrics: [{fid", r"metrics\.0 = 'fid': there is no such component"),
    ("images: 32", "images: 1", r"evaluation\.images = 1: .*greater than or equal to 2"),
    (
        "  extractor: {efficientnet_lite0: {resolution: 32}}\n",
        "",
        r"evaluation\.metrics: 'frechet_distance': compares features, and evaluation\.extractor is absent; name one",
    ),
    ("extractor: {efficientnet_lite0:", "extractor: {inceptoin:", r"'inceptoin': .*did you mean `inception`"),
    ("patches: 2,", "patch_count: 2,", r"evaluation\.curve\.metric\.sliced_wasserstein\.patch_count: unknown key"),
    (
        "{metric: {sliced_wasserstein: {patches: 2, directions: 8}}",
        "{metric: exact_em",
        r"compares points, and all datasets have images",
    ),
    ("8}}, images: 16}", "8}}, images: 1}", r"evaluation\.curve\.images = 1: .*greater than or equal to 2"),
]

# (command, what is said): of an experiment that is finished but for its report
COMMANDS = [
    (["train", OBJECTS, "wgan_pg", "0"], r"there is no train rendered_objects wgan_pg 0; there is:"),
    (["shard", "../elsewhere"], r"there is no shard \.\./elsewhere; there is: rendered_objects"),
    (
        ["sample", f"{OBJECTS}/dcgam"],
        r"no run 'rendered_objects/dcgam'; did you mean `rendered_objects/dcgan`\?",
    ),
    (["sample", f"{RUN}/critic.safetensors"], r"critic\.safetensors: holds no generator; choose generator"),
    (["sample", f"{RUN}/journal.csv"], r"journal\.csv: damaged, or not written by ganflow"),
    (["sample", f"{OBJECTS}/dcgan", "--out", "x.bmp"], r"\.bmp: the formats are \.png"),
    (["sample", f"{OBJECTS}/dcgan", "--images", "0"], r"--images = 0: must be at least 1"),
    (["interpolate", f"{OBJECTS}/dcgan", "--steps", "1"], r"--steps = 1: a walk needs"),
    (["compare", f"{OBJECTS}/dcgan", "nothing"], r"there is no run 'nothing'; there is: "),
    (["verify", "--rerun", "train nothing"], r"there is no unit 'train nothing'; there is:"),
]

CURE = r"run `python -m ganflow verify --repair \S+`"
CUT, LOST = rf"has \d+ bytes, expected \d+; {CURE}", rf"is missing; {CURE}"

# (file, what happens to it, command, what is said): damaged or lost
DAMAGE = [
    ("params.yaml", None, ["plan"], r"params\.yaml: no such file; run from the top of the repository"),
    (f"data/raw/{OBJECTS}/manifest.json", None, ["shard", OBJECTS], r"data/raw/\S+: missing"),
    (f"data/raw/{OBJECTS}/cifar-10-binary.tar.gz", 0.5, ["shard", OBJECTS], rf"cifar-10-binary\.tar\.gz {CUT}"),
    (f"{SHARDS}/index.json", 0.5, ["train", OBJECTS, "dcgan", "0"], rf"index\.json {CUT}"),
    (
        f"data/shards/{OBJECTS}/train/{OBJECTS}-train-000001.tar",
        0.5,
        ["train", OBJECTS, "dcgan", "0"],
        rf"train-000001\.tar {CUT}",
    ),
    (f"{RUN}/generator_ema.safetensors", 0.5, ["sample", f"{OBJECTS}/dcgan"], r"damaged, or not written by ganflow"),
    (f"{RUN}/generator.safetensors", 0.5, ["evaluate", OBJECTS, "dcgan", "0"], rf"generator\.safetensors {CUT}"),
    (f"{RUN}/journal.csv", 0.0, ["report"], rf"journal\.csv {CUT}"),
    (f"{RUN}/samples/000000006.png", 0.5, ["report"], rf"000000006\.png {CUT}"),
    (f"{RUN}/manifest.json", 0.9, ["report"], r"manifest\.json: damaged \(not JSON\)"),
    (f"results/tiny/scores/{OBJECTS}/dcgan/0/score.json", None, ["report"], rf"score\.json {LOST}"),
    ("data/extractor/weights.pth", None, ["extract", OBJECTS], rf"weights\.pth {LOST}"),
    (
        "data/extractor/weights.pth",
        0.5,
        ["extract", OBJECTS],
        rf"weights\.pth {CUT}",
    ),
    (f"data/features/{OBJECTS}/train.safetensors", 0.5, ["reference", OBJECTS], rf"train\.safetensors {CUT}"),
    (f"data/features/{OBJECTS}/noisy.safetensors", None, ["reference", OBJECTS], rf"noisy\.safetensors {LOST}"),
    (f"{GENERATED}/curve.csv", 0.3, ["evaluate", OBJECTS, "dcgan", "0"], rf"curve\.csv {CUT}"),
    (f"{GENERATED}/final.safetensors", 0.5, ["evaluate", OBJECTS, "dcgan", "0"], rf"final\.safetensors {CUT}"),
    (
        f"{RUN}/snapshots/000000002-generator.safetensors",
        0.5,
        ["generate", OBJECTS, "dcgan", "0"],
        rf"generator\.safetensors {CUT}",
    ),
    (f"data/reference/{OBJECTS}/checks.json", 0.5, ["evaluate", OBJECTS, "dcgan", "0"], rf"checks\.json {CUT}"),
]


def files(folder: Path) -> dict[str, bytes]:
    """What must not change by a mistake: everything but logs, locks and caches."""
    kept = (path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).parts[0] != "logs")
    return {str(path): path.read_bytes() for path in kept if path.suffix != ".lock" and "scratch" not in path.parts}


def refused(capfd, folder: Path, command: list[str], said: str) -> None:
    """The command ends with 2 and a sentence, and has changed nothing."""
    before = files(folder)
    capfd.readouterr()
    assert main(command) == 2
    told = capfd.readouterr().err
    lines = [line for line in told.splitlines() if line.startswith("ganflow: ")]
    assert len(lines) == 1 and re.search(said, lines[0]), told
    assert "Traceback" not in told and "pydantic" not in told
    assert files(folder) == before


@pytest.mark.parametrize(("before", "after", "said"), PARAMETERS, ids=[row[1][:40] for row in PARAMETERS])
def test_parameters(finished, capfd, before, after, said):
    text = (finished / "params.yaml").read_text()
    assert text.count(before) == 1
    (finished / "params.yaml").write_text(text.replace(before, after))
    refused(capfd, finished, ["plan"], said)


@pytest.mark.parametrize(("command", "said"), COMMANDS, ids=[" ".join(row[0])[:40] for row in COMMANDS])
def test_commands(finished, capfd, command, said):
    refused(capfd, finished, command, said)


@pytest.mark.parametrize(
    ("name", "share", "command", "said"), DAMAGE, ids=[f"{row[2][0]}-{Path(row[0]).name}" for row in DAMAGE]
)
def test_damaged_and_lost_files(finished, capfd, name, share, command, said):
    path = finished / name
    if share is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused(capfd, finished, command, said)


def test_several_mistakes_are_told_at_once_a_line_each(finished, capfd):
    text = (finished / "params.yaml").read_text()
    (finished / "params.yaml").write_text(text.replace("grid: 2", "grid: 99").replace("seeds: [0, 1]", "seeds: [0.5]"))
    assert main(["plan"]) == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2, lines
    assert all(line.startswith("ganflow: params.yaml: ") for line in lines)


def fetched_from(folder: Path, location: str, sha256: str) -> None:
    text = (folder / "params.yaml").read_text().replace("rendered_objects:", "cifar10:")
    (folder / "params.yaml").write_text(text.replace(RENDERED, FILES % (location, sha256)))


def test_a_wrong_checksum(finished, capfd):
    archive = finished / f"data/raw/{OBJECTS}/cifar-10-binary.tar.gz"
    fetched_from(finished, str(archive), "a" * 64)
    refused(capfd, finished, ["download", "cifar10"], r"cifar-10-binary\.tar\.gz: .*sha256 [0-9a-f]{64}.*a{64}")


def test_a_file_that_is_not_there(finished, capfd):
    fetched_from(finished, "local/nothing.tar.gz", "a" * 64)
    refused(capfd, finished, ["download", "cifar10"], r"local/nothing\.tar\.gz: .*No such file or directory.*check the")


def test_no_network(finished, capfd, monkeypatch):
    monkeypatch.setattr(http_transfer, "PAUSE", 0.01)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/cifar-10-binary.tar.gz"
        fetched_from(finished, url, "a" * 64)
        refused(capfd, finished, ["download", "cifar10"], rf"{url}: gave up after \d attempts.*run again to resume")


def test_too_many_rendered_images_for_the_format(finished, capfd):
    text = (finished / "params.yaml").read_text()
    (finished / "params.yaml").write_text(text.replace("train: 100", "train: 101"))
    refused(capfd, finished, ["download", OBJECTS], r"101 train images do not fill 5 equal batches")


def test_a_full_disk(finished):
    """On a real file system of 300 kB."""
    full = finished / "full"
    full.mkdir()
    script = (
        f"mount -t tmpfs -o size=300k none {full} && cp params.yaml {full} && cd {full} && "
        f"{sys.executable} -m ganflow download {OBJECTS}; code=$?; "
        f"ls -A {full}/data/raw; exit $code"
    )
    text = (finished / "params.yaml").read_text()
    (finished / "params.yaml").write_text(text.replace("train: 100", "train: 10000"))
    if subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", full], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a small file system")
    environment = {**os.environ, "PYTHONPATH": str(TOP / "src")}
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, env=environment)
    assert done.returncode == 2, done.stderr
    assert "no space left on device; make room and run it again" in done.stderr and "Traceback" not in done.stderr
    assert "partial" not in done.stdout and OBJECTS not in done.stdout


@pytest.mark.parametrize("of_torch", [False, True])
def test_out_of_memory(finished, capfd, monkeypatch, of_torch):
    """Each stage is told what it needs memory for, which helps; a shard's bytes do not depend on it."""
    step, write = Trainer.step, shard.write_shards
    parameters = (finished / "params.yaml").read_text().replace("seeds: [0, 1]", "seeds: [0, 1, 2]")
    large = parameters.replace("threads: 1", "threads: 2")
    before = read_manifest(Path(f"data/shards/{OBJECTS}"))["content"]

    def out_of_memory():
        if of_torch:
            torch.empty(2**50)  # 4 PB, of which its allocator says what it says of any size
        raise MemoryError

    def too_large(self, *arguments, **named):
        if load().training.batch_size >= 8:
            out_of_memory()
        return step(self, *arguments, **named)

    def too_many(*arguments, processes, **named):
        if processes > 1:
            out_of_memory()
        return write(*arguments, processes=processes, **named)

    monkeypatch.setattr(Trainer, "step", too_large)
    monkeypatch.setattr(shard, "write_shards", too_many)
    for stage, command, key, smaller in (
        ("train", [OBJECTS, "dcgan", "2"], "training.batch_size", parameters.replace("batch_size: 8", "batch_size: 4")),
        ("shard", [OBJECTS], "compute.threads", parameters),
    ):
        (finished / "params.yaml").write_text(large if stage == "shard" else parameters)
        refused(capfd, finished, [stage, *command], f"{stage}: out of memory; in params.yaml, lower {key} ")
        (finished / "params.yaml").write_text(smaller)
        assert main([stage, *command]) == 0
    assert read_manifest(Path(f"data/shards/{OBJECTS}"))["content"] == before


def test_what_takes_less_memory_are_keys_of_params():
    told = [key for stage in STAGES.values() for key in re.findall(r"(\w+)\.(\w+)", stage.lighter)]
    assert len(told) >= 6
    assert all(key in Experiment.model_fields[section].annotation.model_fields for section, key in told)


OLD = """
import runpy, sys
sys.version_info, sys.version = (3, 9, 2), "3.9.2 (old)"
runpy.run_module("ganflow", run_name="__main__")
"""
BARE = """
import sys
sys.path.insert(0, sys.argv.pop())
from ganflow.__main__ import start
sys.exit(start())
"""


def test_an_old_python():
    environment = {"PYTHONPATH": str(TOP / "src")}
    done = subprocess.run([sys.executable, "-c", OLD], capture_output=True, text=True, env=environment)
    cure = "run `make environment`, then `. .venv/bin/activate`"
    assert (done.returncode, done.stderr) == (2, f"ganflow: needs Python 3.11, and this is 3.9.2; {cure}\n")


def test_another_python_that_has_no_libraries(tmp_path):
    subprocess.run([sys._base_executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    command = [tmp_path / "bare/bin/python", "-I", "-c", BARE, "plan", str(TOP / "src")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert re.fullmatch(r"ganflow: the package \w+ is not installed for \S+; run `make environment`.*\n", done.stderr)


def test_no_conda(clone):
    if shutil.which("conda"):
        pytest.skip("conda is here")
    done = clone.run("snakemake --cores 2 --use-conda", check=False)
    told = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in told
    assert "there is no conda on PATH; install it, or leave out --use-conda" in told


@pytest.mark.parametrize("engine", ["dvc repro", "snakemake --cores 2", "snakemake --cores 2 --quiet all"])
def test_a_mistake_in_the_parameters_under_an_engine(clone, engine):
    clone.edit("params.yaml", "batch_size: 8", "batchsize: 8")
    done = clone.run(engine, check=False)
    told = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in told
    assert told.count("ganflow: params.yaml: training.batchsize: unknown key; did you mean `batch_size`?") == 1
    assert not (clone.folder / "data").exists() and not (clone.folder / "build/plan.json").exists()


def test_there_are_forty_mistakes_and_more():
    assert len(PARAMETERS) + len(COMMANDS) + len(DAMAGE) >= 60
