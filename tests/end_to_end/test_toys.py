"""Points end to end: a tiny toy experiment through the real stages, with a study and a fixed generator."""

import csv
import html
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from plain_reports import undrawn
from safetensors.numpy import load_file

from ganflow.methods import estimates
from ganflow.stages.cli import main

PARAMS = """
experiment: tiny_toys
seeds: [0]
compute: {threads: 1, device: cpu}
datasets:
  ring: {format: points, dimension: 2, source: {sampled: {distribution: eight_gaussians, train: 400, validation: 200}}, shard_size: 150}
  bumps: {format: points, dimension: 1, source: {sampled: {distribution: gaussian, train: 400, validation: 200}}}
variants:
  wgan_gp: {network: {toy_mlp: {width: 8}}, objective: wasserstein, constraint: gradient_penalty, optimizer: adam, critic_steps: 2}
  fixed: {network: {noised_data: {width: 8, points: 50}}, objective: non_saturating, optimizer: adam}
training: {iterations: 4, batch_size: 16, latent: 3, journal_every: 2, sample_every: 2, checkpoint_every: 2, grid: 4, validation_images: 32}
evaluation: {images: 100, batch_size: 50, metrics: [exact_em, missed_modes, high_quality_samples]}
studies: [saturation]
"""  # noqa: E501
SAMPLED_RING = "{sampled: {distribution: eight_gaussians, train: 400, validation: 200}}"
RUNS = [(dataset, variant) for dataset in ("ring", "bumps") for variant in ("wgan_gp", "fixed")]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toys")
    (folder / "params.yaml").write_text(PARAMS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["plan"]) == 0 and main(["extractor"]) == 0
        for dataset in ("ring", "bumps"):
            for stage in ("download", "shard", "extract", "reference"):
                assert main([stage, dataset]) == 0
        for dataset, variant in RUNS:
            for stage in ("train", "generate", "evaluate"):
                assert main([stage, dataset, variant, "0"]) == 0
        assert main(["studies"]) == 0
        with undrawn():
            assert main(["report"]) == 0
    return folder / "results/tiny_toys"


@pytest.mark.parametrize(("dataset", "variant"), RUNS)
def test_a_run_leaves_what_the_report_draws(made, dataset, variant):
    run = made / "runs" / dataset / variant / "0"
    [row, *_] = csv.DictReader((run / "journal.csv").open())
    assert -1 <= float(row["validation_transport_cosine"]) <= 1
    assert ("generator_loss" in row) == (variant == "wgan_gp")
    names = sorted(file.name for file in (run / "samples").iterdir())
    assert names == [f"{at:09d}.{kind}" for at in (0, 2, 4) for kind in ("png", "safetensors")]
    last = load_file(run / "samples/000000004.safetensors")
    dimension = 2 if dataset == "ring" else 1
    assert last["points"].shape == (16, dimension) and last["gradient_norms"].shape == (4,)
    assert last["scores"].shape == ((65, 65) if dimension == 2 else (257,))
    with Image.open(run / "samples/000000004.png") as picture:
        assert picture.size == (256, 256) and len(set(picture.convert("RGB").get_flattened_data())) == 3


def test_a_fixed_generator_is_data_plus_noise_and_is_not_trained(made):
    run = made / "runs/ring/fixed/0"
    first, last = (load_file(run / f"samples/{at:09d}.safetensors")["points"] for at in (0, 4))
    assert np.array_equal(first, last)
    table = load_file(run / "generator.safetensors")["points"]
    assert np.linalg.norm(table, axis=1) == pytest.approx(2**0.5, abs=0.1)  # the ring
    spread = np.linalg.norm(last[:, None] - table[None], axis=2).min(1)
    assert 0.01 < spread.mean() < 2


def test_scores_and_report(made):
    scores = {
        dataset: json.loads((made / f"scores/{dataset}/wgan_gp/0/score.json").read_text())
        for dataset in ("ring", "bumps")
    }
    assert set(scores["ring"]["scores"]) == {"exact_em", "exact_em_std", "missed_modes", "high_quality_samples"}
    assert set(scores["bumps"]["scores"]) == {"exact_em", "exact_em_std"}  # one mode: nothing to cover
    floor = scores["ring"]["checks"]["held_out"]["scores"]
    assert 0 < floor["exact_em_std"] < floor["exact_em"] and scores["ring"]["flags"] == []
    assert scores["ring"]["checks"]["held_out"]["scores"]["missed_modes"] == 0
    page = (made / "report/index.html").read_text()
    assert (
        f"± {floor['exact_em_std']:#.2g} between parts" in page and "the floor: independent draws of the data" in page
    )
    assert "Studies of the theory" in page and "Level sets of the critic" in page
    figures = {path.name for path in (made / "report/figures").iterdir()}
    assert {"ring_surfaces.png", "ring_layers.png", "bumps_evolution.png", "saturation_study.png"} <= figures
    assert "bumps_surfaces.png" not in figures


def test_commands_draw_points(made, monkeypatch, capsys):
    monkeypatch.chdir(made.parents[1])
    assert main(["sample", "ring/wgan_gp/0", "--images", "30", "--out", "build/s.png"]) == 0
    assert main(["interpolate", "ring/wgan_gp/0", "--out", "build/i.png"]) == 0
    assert "30 points" in capsys.readouterr().out
    for name in ("s", "i"):
        with Image.open(f"build/{name}.png") as picture:
            assert picture.size == (256, 256)


def test_the_cost_of_points_is_measured_as_that_of_images_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS)
    assert main(["plan", "--cost"]) == 0
    assert re.search(r"shard +2 +1,200 .* [1-9][\d.]* [kM]B", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("dimension: 2", "resolution: 16", "the format 'points' has points; give `dimension`"),
        (SAMPLED_RING, "official", "downloads official archives, and the format has none"),
        ("dimension: 2", "dimension: 3", "set the dataset's dimension to 2"),
        ("dimension: 2, source", "source", "either `resolution`, if it holds images, or `dimension`"),
        ("toy_mlp: {width: 8}", "dcgan: {width: 8}", "makes images of 16, 32, 64, 128 pixels, not points"),
        ("metrics: [exact_em,", "metrics: [sliced_wasserstein,", "compares images, and all datasets have points"),
        ("distribution: eight_gaussians", "distribution: nine_gaussians", "no such component"),
        ("studies: [saturation]", "studies: [saturations]", "did you mean `saturation`"),
        ("format: points", "format: cifar10", "the format 'cifar10' has images; give `resolution`"),
    ],
)
def test_mistakes_are_sentences(tmp_path, monkeypatch, capsys, before, after, message):
    monkeypatch.chdir(tmp_path)
    text = PARAMS.replace(before, after, 1)
    assert text != PARAMS
    (tmp_path / "params.yaml").write_text(text)
    assert main(["plan"]) == 2
    assert re.search(re.escape(message), capsys.readouterr().err)


def test_a_training_again_gives_the_same_bytes(made, tmp_path, monkeypatch):
    folder = tmp_path / "again"
    shutil.copytree(made.parents[1], folder, ignore=shutil.ignore_patterns("build", "results", "logs"))
    monkeypatch.chdir(folder)
    assert main(["train", "ring", "wgan_gp", "0"]) == 0
    for name in ("critic.safetensors", "journal.csv", "samples/000000004.safetensors", "samples/000000004.png"):
        one, other = (top / "runs/ring/wgan_gp/0" / name for top in (made, folder / "results/tiny_toys"))
        assert one.read_bytes() == other.read_bytes()


def test_a_contradicted_estimate_is_named_in_manifest_score_and_page(made, tmp_path, monkeypatch):
    """With a share that every journal passes: the flags come from the run's own journal."""
    folder = tmp_path / "flagged"
    shutil.copytree(made.parents[1], folder)
    monkeypatch.chdir(folder)
    for name, value in {"FEWEST": 1, "SHARE": 0}.items():
        monkeypatch.setattr(estimates, name, value)
    shutil.rmtree(folder / "results/tiny_toys/runs/ring/wgan_gp/0")
    assert main(["train", "ring", "wgan_gp", "0"]) == 0 and main(["evaluate", "ring", "wgan_gp", "0"]) == 0
    with undrawn():
        assert main(["report"]) == 0
    results = folder / "results/tiny_toys"
    flags = json.loads((results / "runs/ring/wgan_gp/0/manifest.json").read_text())["flags"]
    rows = list(csv.DictReader((results / "runs/ring/wgan_gp/0/journal.csv").open()))
    last = float(rows[1]["validation_estimate"])
    said = f"is negative in {int(last < 0)} of the last 1 rows of the journal, {last:.3g} on average"
    assert len(rows) == 2 and said in flags[0]
    assert "cosine" in flags[1] and "slope" in flags[2]
    score = json.loads((results / "scores/ring/wgan_gp/0/score.json").read_text())
    said = [f"wgan_gp, seed 0: {flag}" for flag in flags]
    assert score["flags"][-len(said) :] == said
    assert all(flag in html.unescape((results / "report/index.html").read_text()) for flag in said)
    assert (results / "report/figures/ring_gradients.png").exists()
