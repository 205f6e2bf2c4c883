"""The commands that people run beside the stages: status, plan --cost, sample, interpolate, compare; log files."""

import os
import re
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from repository import TOP

from ganflow.artifacts import read_json
from ganflow.locks import held
from ganflow.randomness import generator
from ganflow.stages.cli import main
from ganflow.stages.interpolate import spherical
from ganflow.training.weights import load_generator

STAGES = ("download", "shard", "extract", "reference")
RUN = Path("results/tiny/runs/rendered_objects/dcgan/0")


def edit(folder: Path, before: str, after: str) -> None:
    text = (folder / "params.yaml").read_text()
    assert before in text
    (folder / "params.yaml").write_text(text.replace(before, after))


def test_status_says_what_is_done_and_why_the_rest_is_not(finished, capfd):
    assert main(["status"]) == 0
    said = capfd.readouterr().out
    assert "experiment tiny: 19 units of work" in said and "nothing to do" not in said
    data = "1 download, 1 shard, 1 extractor, 1 extract, 1 reference"
    assert re.search(rf"done +18 +{data}, 4 train, 4 generate, 4 evaluate, 1 studies", said)
    assert re.search(r"to do +1 +1 report", said)

    edit(finished, "lr: 2.0e-4", "lr: 3.0e-4")
    assert main(["status"]) == 0
    said = capfd.readouterr().out
    assert "train rendered_objects dcgan 0: optimizer.settings.lr 0.0002 -> 0.0003" in said
    assert "evaluate rendered_objects dcgan 1: its input results/tiny/runs/rendered_objects/dcgan/1 is out" in said
    assert "train rendered_objects wgan_gp" not in said

    edit(finished, "lr: 3.0e-4", "lr: 2.0e-4")
    edit(finished, "directions: 16", "directions: 17")
    assert main(["status"]) == 0
    said = capfd.readouterr().out
    assert "reference rendered_objects: metrics" in said and "train" not in said.split("out of date")[1]


def test_status_knows_a_training_that_was_interrupted(finished, capfd, monkeypatch):
    from ganflow.training.state import Checkpoints

    edit(finished, "seeds: [0, 1]", "seeds: [0, 1, 2]")
    whole = Checkpoints.save

    def stopped(self, state):
        whole(self, state)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", stopped)
        assert main(["train", "rendered_objects", "dcgan", "2"]) == 130
    capfd.readouterr()
    assert main(["status"]) == 0
    said = capfd.readouterr().out
    words = "train rendered_objects dcgan 2: iteration 2 of 6, the last checkpoint"
    assert re.search(rf"under way +1 +1 train\n +{words} \d+ seconds ago\n", said)
    with held(Path("build/locks/train-rendered_objects-dcgan-2.lock"), "a training"):
        assert main(["status"]) == 0
    assert re.search(rf"{words} \d+ seconds ago, process {os.getpid()} on ", capfd.readouterr().out)


def test_cost_counts_what_is_ahead(finished, capfd):
    assert main(["plan", "--cost"]) == 0
    assert "1 of 19 units to do" in capfd.readouterr().out
    edit(finished, "iterations: 6", "iterations: 6000")
    edit(finished, "critic_steps: 2", "critic_steps: {steps: 2, boost: 10, boost_first: 25, boost_every: 500}")
    assert main(["plan", "--cost"]) == 0
    said = capfd.readouterr().out
    boosted = 25 + 11  # the first 25 iterations, and every 500th after them
    images = 2 * 8 * (6000 + 2 * 6000 + 8 * boosted)  # two seeds, batches of 8; critic steps 1 and 2, or 10
    assert re.search(rf"train +4 +{images:,} +[\d.]+ (seconds|minutes) +\d", said)
    assert "4 train" not in said and "13 of 19 units to do, on cpu" in said
    assert re.search(r"total: [\d.]+ (seconds|minutes) with `dvc repro`", said) and "are free" in said
    assert re.search(r" 16 machines +[\d.]+ (seconds|minutes)\n", said) and "never less than" in said


def test_cost_of_the_official_archives_is_said_before_anything_is_fetched(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    text = re.sub(r"  rendered_bedrooms:.*\n", "", (TOP / "profiles/tiny.yaml").read_text())
    text = re.sub(
        r"  rendered_objects:.*\n", "  lsun_bedroom: {format: lsun_bedroom, source: official, resolution: 64}\n", text
    )
    (tmp_path / "params.yaml").write_text(text)
    assert main(["plan", "--cost"]) == 0
    said = capfd.readouterr().out
    assert re.search(r"download +1 +3,033,342 +0 seconds +45.9 GB", said)
    assert re.search(r"shard +1 +3,033,342 +[\d.]+ (minutes|hours) +[45]\d(\.\d)? GB", said)
    assert "downloads: 45.9 GB, 1.0 hours at 100 Mbit/s" in said or "61.2 minutes at 100 Mbit/s" in said
    assert not (tmp_path / "data").exists()


def test_samples_are_those_that_were_scored(finished, capfd):
    from ganflow.evaluation.generated_samples import generate_samples

    out = finished / "made/samples.png"
    assert main(["sample", "rendered_objects/dcgan/1", "--seed", "1", "--images", "32", "--out", str(out)]) == 0
    assert "32 images of results/tiny/runs/rendered_objects/dcgan/1/generator_ema.safetensors" in capfd.readouterr().out
    module, about = load_generator(RUN.parent / "1/generator_ema.safetensors")
    scored = generate_samples(module, 32, about["latent"], 16, 1, "cpu").permute(0, 2, 3, 1).numpy()
    with Image.open(out) as picture:
        shown = np.asarray(picture)
    cells = shown.reshape(6, 16, 6, 16, 3).swapaxes(1, 2).reshape(36, 16, 16, 3)
    assert (cells[:32] == scored).all() and not cells[32:].any()
    folder = finished / "made/many"
    assert main(["sample", str(RUN), "--weights", "raw", "--images", "3", "--out", str(folder)]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["000000.png", "000001.png", "000002.png"]


def test_walks_end_where_they_should(finished):
    one, other = generator(0, "ends").standard_normal((2, 5, 64))
    assert np.allclose(spherical(one, other, 0.0), one) and np.allclose(spherical(one, other, 1.0), other)
    lengths = [np.linalg.norm(spherical(one, other, share), axis=1).mean() for share in np.linspace(0, 1, 9)]
    assert max(lengths) / min(lengths) < 1.3  # along a straight line the middle would be shorter by a third
    out = finished / "made/walk"
    for suffix in (".png", ".gif", ".webp"):
        command = ["interpolate", "rendered_objects/wgan_gp", "--rows", "4", "--steps", "5"]
        assert main([*command, "--out", f"{out}{suffix}"]) == 0
    with Image.open(f"{out}.png") as picture:
        assert picture.size == (5 * 16, 4 * 16)
    with Image.open(f"{out}.gif") as film:
        assert film.size == (2 * 16, 2 * 16) and film.n_frames <= 8


def test_compare_says_what_differs_and_nothing_else(finished, capfd):
    assert main(["compare", "rendered_objects/dcgan/0", "rendered_objects/wgan_gp/0"]) == 0
    said = capfd.readouterr().out
    score = read_json(Path("results/tiny/scores/rendered_objects/dcgan/0/score.json"))
    assert f"{score['scores']['sliced_wasserstein']:.4g}" in said
    assert re.search(r"objective\.name +non_saturating +wasserstein", said)
    assert re.search(r"constraint\.settings\.weight +- +10\.0", said)
    assert "training.iterations" not in said and "can't be compared" not in said

    assert main(["compare", "rendered_objects/dcgan", "rendered_objects/dcgan"]) == 0
    said = capfd.readouterr().out
    assert "Differences:\n  none" in said and "(2 seeds)" in said and "±" in said


def test_scores_of_different_protocols_are_not_put_side_by_side_in_silence(finished, capfd):
    edit(finished, "images: 32", "images: 33")
    assert main(["evaluate", "rendered_objects", "dcgan", "0"]) == 2
    assert "features of 32 images, expected 33; run `dvc repro`" in capfd.readouterr().err
    for stage in ("extract", "reference"):
        assert main([stage, "rendered_objects"]) == 0
    for stage in ("generate", "evaluate"):
        assert main([stage, "rendered_objects", "dcgan", "0"]) == 0
    capfd.readouterr()
    assert main(["compare", "rendered_objects/dcgan/0", "rendered_objects/wgan_gp/0"]) == 0
    said = capfd.readouterr().out
    assert "These scores can't be compared" in said and re.search(r"images +33 +32", said)


def test_three_lines_load_a_generator(finished):
    made, about = load_generator(f"{RUN}/generator.safetensors")
    images = made(torch.randn(4, about["latent"]))
    assert images.shape == (4, 3, 16, 16) and images.abs().max() <= 1


def test_a_unit_has_a_log_file_that_says_what_happened_and_when(finished):
    log = (finished / "logs/train/rendered_objects-wgan_gp-1.log").read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", line) for line in log)
    assert "train rendered_objects wgan_gp 1: started on" in log[0] and "6 iterations in" in log[-1]
    assert main(["evaluate", "rendered_objects", "no", "0"]) == 2
    assert not list(finished.glob("logs/evaluate/*no*"))  # what params.yaml does not name leaves no file
