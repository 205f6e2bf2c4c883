"""A training that diverges beside good ones: its outcome is recorded, shown and not trained again."""

import json
import re

import pytest
import torch
from mlflow import MlflowClient

from ganflow.artifacts import read_manifest, write_manifest
from ganflow.stages.cli import main
from ganflow.tensor_files import load_tensors, save_tensors

RUN = ("rendered_objects", "wgan_gp", "0")
PLACE = "results/tiny/{}/rendered_objects/wgan_gp/0"
WILD = "  wild: {{datasets: [rendered_objects], network: {{dcgan: {{width: 4, critic_norm: none}}}}, "
WILD += "objective: wasserstein, constraint: gradient_penalty, optimizer: {{adam: {{lr: {}}}}}}}\n"


def edit(folder, before: str, after: str) -> None:
    text = (folder / "params.yaml").read_text()
    assert before in text
    (folder / "params.yaml").write_text(text.replace(before, after))


def test_every_stage_records_it_and_every_command_says_it(finished, capfd):
    """Exit code 0 of the stages, as their work is done; 3 of what reports on the experiment."""
    edit(finished, "lr: 1.0e-4", "lr: 1.0e+30")
    for stage in ("train", "generate", "evaluate"):
        assert main([stage, *RUN]) == 0
    said = capfd.readouterr().err
    assert re.search(r"train rendered_objects wgan_gp 0 diverged at iteration 2: \w+ is (nan|inf)", said)
    folders = {kind: finished / PLACE.format(kind) for kind in ("runs", "generated", "scores")}
    outputs = {kind: set(read_manifest(folder)["outputs"]) for kind, folder in folders.items()}
    assert outputs["runs"] == {"divergence.json", "journal.csv", "samples/000000000.png"}
    assert outputs["generated"] == {"divergence.json"} and outputs["scores"] == {"divergence.json", "score.json"}
    score = json.loads((folders["scores"] / "score.json").read_text())
    assert score["scores"] == {} and "diverged at iteration 2" in score["diverged"]
    before = read_manifest(folders["runs"])
    assert main(["train", *RUN]) == 0 and read_manifest(folders["runs"]) == before

    for command in (["status"], ["status", "--brief"]):
        assert main(command) == 3
        said = capfd.readouterr().out
        assert "rendered_objects/wgan_gp/0 diverged at iteration 2" in said and "1 of 4 trainings diverged" in said
    for command in ("sample", "interpolate"):
        assert main([command, "rendered_objects/wgan_gp/0"]) == 2
        assert "the training diverged at iteration 2" in capfd.readouterr().err
    assert main(["verify", "--rerun", "train rendered_objects wgan_gp 0"]) == 0
    assert "equal" in capfd.readouterr().out
    edit(finished, "lr: 1.0e+30", "lr: 1.0e-4")  # what is recorded is not of these parameters
    assert main(["status"]) == 0 and "diverged" not in capfd.readouterr().out


def test_samples_that_are_not_finite_have_no_score_though_the_losses_were(finished, capfd):
    """Weights may overflow for latent vectors that no grid of the training had: no black image is scored."""
    trained = finished / PLACE.format("runs")
    for file in trained.rglob("*generator*.safetensors"):
        tensors, about = load_tensors(file)
        huge = {name: torch.where(tensor < 0, -3e38, 3e38) for name, tensor in tensors.items() if "running" not in name}
        save_tensors(file, {name: huge.get(name, tensor) for name, tensor in tensors.items()}, about)
    about = read_manifest(trained)
    kept = {key: value for key, value in about.items() if key not in ("outputs", "content", "manifest")}
    write_manifest(trained, kept)
    assert main(["generate", *RUN]) == 0 and main(["evaluate", *RUN]) == 0
    assert "samples is nan" in capfd.readouterr().err
    assert json.loads((finished / PLACE.format("scores") / "score.json").read_text())["scores"] == {}
    assert main(["sample", "rendered_objects/wgan_gp/0"]) == 2
    assert "generator_ema.safetensors: samples: nan: not finite" in capfd.readouterr().err
    assert main(["interpolate", "rendered_objects/wgan_gp/0"]) == 2
    assert "not finite" in capfd.readouterr().err


@pytest.mark.slow
def test_one_diverged_variant_beside_good_ones_under_both_engines(reproduced):
    """The report is made and names it, MLflow has it, neither engine has more to do; a lower rate is trained anew."""
    clone = reproduced("diverged")
    good = {path: md5 for path, md5 in clone.digests().items() if "/runs/" in path}
    clone.edit("params.yaml", "\ntraining: {", f"{WILD.format('1.0e+30')}\ntraining: {{")
    clone.run("python -m ganflow runs")
    done = clone.run("dvc repro")
    assert "train rendered_objects wild 0 diverged at iteration" in done.stderr
    assert "report: 1 of 3 trainings diverged and have no score" in done.stderr
    page = (clone.folder / "results/tiny/report/index.html").read_text()
    assert "1 of 3 trainings diverged" in page and "wild</a> on rendered_objects, seed 0, diverged at iteration" in page
    assert good.items() <= clone.digests().items()
    shown = clone.run("dvc metrics show --json").stdout
    assert json.loads(shown)[""]["data"]["results/tiny/report/metrics.json"]["data"]["rendered_objects"]["wild"] == {
        "diverged": 1
    }

    assert "up to date" in clone.run("dvc repro").stdout
    planned = clone.run("snakemake --dry-run --cores 2")
    assert "Nothing to be done" in planned.stdout + planned.stderr
    for command in ("status --brief", "verify"):
        said = clone.run(f"python -m ganflow {command}", check=False)
        assert said.returncode == 3 and "1 of 3 trainings diverged" in said.stdout
    said = clone.run("python -m ganflow publish")
    assert "3 runs published" in said.stdout and "wild 0: status FAILED: diverged" in said.stdout
    client = MlflowClient(f"sqlite:///{clone.folder}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("tiny").experiment_id], "tags.variant != ''")
    assert sorted(run.info.status for run in runs) == ["FAILED", "FINISHED", "FINISHED"]

    clone.edit("params.yaml", "lr: 1.0e+30", "lr: 1.0e-4")
    planned = clone.run("snakemake --dry-run --cores 2 --printshellcmds")
    assert set(re.findall(r"workflow\.job +(train\S+)", planned.stdout + planned.stderr)) == {
        "train@rendered_objects-wild-0"
    }
    assert clone.run("python -m ganflow status --brief").stdout == ""
