"""Scores end to end: features extracted once, curves that change nothing, names that are earned, checks that speak."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from plain_reports import undrawn
from safetensors.torch import load_file
from scipy.linalg import sqrtm
from torch import nn

from ganflow import config
from ganflow.artifacts import digest_file, read_json
from ganflow.config import Evaluation
from ganflow.evaluation.checks import compare_with_literature, flags, literature_scores
from ganflow.evaluation.curve import best_of, snapshots
from ganflow.evaluation.degradations import blurred, degraded, fewer_classes, noisy
from ganflow.evaluation.efficientnet_features import EfficientNetFeatures
from ganflow.evaluation.extraction import extraction_of
from ganflow.evaluation.extractors import inception
from ganflow.evaluation.generated_samples import evaluation_samples, generate_samples
from ganflow.evaluation.interfaces import Identity, Metric, Samples, score_names
from ganflow.evaluation.nearest_neighbours import nearest_neighbours, neighbour_grid, real_distance
from ganflow.params_file import checked
from ganflow.stages.cli import main
from ganflow.training.weights import load_generator

RUN = ("rendered_objects", "dcgan", "0")
TRAINED, GENERATED, SCORED = (Path("results/tiny", kind, *RUN) for kind in ("runs", "generated", "scores"))
FRECHET = "frechet_distance_efficientnet_lite0"


def edit(before: str, after: str) -> None:
    params = Path("params.yaml")
    assert before in params.read_text()
    params.write_text(params.read_text().replace(before, after))


def score() -> dict:
    return read_json(SCORED / "score.json")


def test_a_score_carries_its_protocol_and_its_checks(finished):
    found = score()
    assert found["scores"].keys() == found["better"].keys() == {"sliced_wasserstein", FRECHET}
    assert found["checks"].keys() == {"held_out", "blurred", "noisy", "fewer_classes"}
    assert {name: check["samples"] for name, check in found["checks"].items()} == {
        "held_out": 20,
        "blurred": 20,
        "noisy": 20,
        "fewer_classes": 10,
    }
    assert all(check["scores"].keys() == found["scores"].keys() for check in found["checks"].values())
    protocol = found["protocol"]
    assert protocol["extractor"] == {
        "name": "efficientnet_lite0",
        "sha256": digest_file(Path("data/extractor/weights.pth")),
        "resize": "bilinear, antialiased, to 32 x 32",
    }
    assert (protocol["images"], protocol["real_images"], protocol["real_split"]) == (32, 32, "train")
    assert (protocol["weights"], protocol["batch_norm"], protocol["seed"]) == ("raw", "running", 0)
    assert protocol["best"] == "lowest sliced_wasserstein of 16 samples of each snapshot"
    assert found["order"] == ["sliced_wasserstein", FRECHET]
    assert protocol["metrics"]["sliced_wasserstein"]["directions"] == 16
    assert {"torch", "numpy", "torch-fidelity", "scipy"} <= protocol["versions"].keys()


@pytest.mark.filterwarnings("ignore:Matrix is singular")
def test_a_frechet_distance_is_that_of_the_images_it_names(finished):
    """From images and weights alone, by SciPy's matrix square root."""
    evaluation = config.load().evaluation
    extraction = extraction_of(evaluation, Path("data/extractor"), "cpu")
    images = evaluation_samples(evaluation, *load_generator(TRAINED / "generator.safetensors"), "cpu")
    features = extraction.of(images).features
    assert torch.equal(features, load_file(GENERATED / "final.safetensors")["features"])
    real = load_file("data/features/rendered_objects/train.safetensors")["features"]
    (m1, s1), (m2, s2) = ((x.double().mean(0).numpy(), np.cov(x.double().numpy().T)) for x in (features, real))
    root = np.trace(sqrtm(s1 @ s2)).real
    expected = ((m1 - m2) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * root
    assert score()["scores"][FRECHET] == pytest.approx(expected, rel=1e-3)  # SciPy's own, of ranks 31 in 1280


def test_the_curve_chooses_the_best_and_it_is_scored_in_full(finished):
    with (GENERATED / "curve.csv").open(newline="") as file:
        rows = [(int(row["iteration"]), float(row["sliced_wasserstein"])) for row in csv.DictReader(file)]
    assert [iteration for iteration, _ in rows] == [2, 4, 6]
    best, _ = min(rows, key=lambda row: row[1])
    found = score()
    assert found["best"]["iteration"] == best
    assert (GENERATED / "best.safetensors").exists() == (best != 6)
    assert (found["best"]["scores"] == found["scores"]) == (best == 6)


def test_curves_and_snapshots_change_no_other_number(finished):
    """Another curve, more snapshots: the weights, the journal and the final scores stay, bit by bit."""
    kept = {name: (TRAINED / name).read_bytes() for name in ("generator.safetensors", "journal.csv")}
    before = score()
    edit("snapshot_every: 2", "snapshot_every: 1")
    edit("patches: 2, directions: 8}}, images: 16", "patches: 1, directions: 4}}, images: 8")
    for stage in ("train", "generate", "evaluate"):
        assert main([stage, *RUN]) == 0
    assert sorted(snapshots(TRAINED, "generator")) == [1, 2, 3, 4, 5]
    tensors = load_file(TRAINED / "generator.safetensors")
    (TRAINED / "before.safetensors").write_bytes(kept["generator.safetensors"])
    assert all(torch.equal(value, tensors[name]) for name, value in load_file(TRAINED / "before.safetensors").items())
    assert (TRAINED / "journal.csv").read_bytes() == kept["journal.csv"]
    assert score()["scores"] == before["scores"] and score()["checks"] == before["checks"]


def test_a_snapshot_is_the_generator_as_it_was(finished):
    """A training that ends where another was snapshotted has the same weights, averaged ones too."""
    edit("iterations: 6", "iterations: 4")
    kept = {
        key: load_file(TRAINED / f"snapshots/000000004-{key}.safetensors") for key in ("generator", "generator_ema")
    }
    assert main(["train", *RUN]) == 0
    for key, tensors in kept.items():
        now = load_file(TRAINED / f"{key}.safetensors")
        assert tensors.keys() == now.keys() and all(torch.equal(now[name], tensors[name]) for name in now)


def test_an_extractor_that_gives_generated_images_no_features_is_flagged_in_score_and_page(finished, monkeypatch):
    """As EfficientNet did at 32 pixels: all features exactly 0, so that two variants had one Fréchet distance."""
    assert any("samples all features are 0" in flag for flag in score()["flags"])  # at the 32 pixels of this experiment
    forward = EfficientNetFeatures.forward
    with monkeypatch.context() as patch:
        patch.setattr(EfficientNetFeatures, "forward", lambda *given: [0 * part for part in forward(*given)])
        for run in ((RUN[0], variant, seed) for variant in ("dcgan", "wgan_gp") for seed in "01"):
            for stage in ("generate", "evaluate"):
                assert main([stage, *run]) == 0
    said = "features by efficientnet_lite0, rendered_objects {}, final weights: of 32 of 32 samples all features are 0;"
    [flag] = [flag for flag in score()["flags"] if "final weights" in flag]
    assert flag.startswith(said.format("dcgan 0")) and flag.endswith("scores by them say little")
    found = score()
    assert found["compares"] == {"sliced_wasserstein": "images", FRECHET: "features"}
    assert set(found["continuous"]) == {"sliced_wasserstein", FRECHET}

    with undrawn():
        assert main(["report"]) == 0
    page = Path("results/tiny/report/index.html").read_text()
    assert all(said.format(f"{variant} {seed}") in page for variant in ("dcgan", "wgan_gp") for seed in (0, 1))
    equal = f"{found['scores'][FRECHET]!r} each; it does not tell their samples apart"
    assert f"{FRECHET}: dcgan 0 and dcgan 1 and wgan_gp 0 and wgan_gp 1 score exactly {equal}" in page
    assert "a self-check of the score failed." in page


def test_without_curve_or_extractor_there_is_nothing_to_generate(finished):
    text = Path("params.yaml").read_text()
    lines = [line for line in text.splitlines() if not line.startswith(("  curve:", "  extractor:"))]
    Path("params.yaml").write_text("\n".join(lines).replace(", frechet_distance", "") + "\n")
    for stage in (["extractor"], *([name, RUN[0]] for name in ("extract", "reference"))):
        assert main(stage) == 0
    for stage in ("generate", "evaluate"):
        assert main([stage, *RUN]) == 0
    assert [path.name for path in GENERATED.iterdir()] == ["manifest.json"]
    assert [path.name for path in Path("data/extractor").iterdir()] == ["manifest.json"]
    assert sorted(path.name for path in SCORED.iterdir()) == ["manifest.json", "score.json"]
    found = score()
    assert found["best"] is None and found["protocol"]["extractor"] is None
    assert found["scores"].keys() == {"sliced_wasserstein"}


def test_the_protocol_says_where_averaged_weights_have_their_batch_norm_from(finished):
    assert score()["protocol"]["ema_batch_norm"] is None  # raw weights
    edit("  batch_size: 16\n", "  batch_size: 16\n  weights: ema\n")
    for stage in ("generate", "evaluate"):
        assert main([stage, *RUN]) == 0
    assert (score()["protocol"]["weights"], score()["protocol"]["ema_batch_norm"]) == ("ema", "recomputed")


def test_batch_statistics_are_another_protocol_and_are_not_learned(finished):
    before = score()["scores"][FRECHET]
    edit("batch_size: 16\n", "batch_size: 16\n  batch_norm: batch\n")
    for stage in ("generate", "evaluate"):
        assert main([stage, *RUN]) == 0
    assert score()["protocol"]["batch_norm"] == "batch" and score()["scores"][FRECHET] != before

    module = nn.Sequential(nn.Linear(3, 12), nn.Unflatten(1, (3, 2, 2)), nn.BatchNorm2d(3), nn.Tanh())
    kept = {name: value.clone() for name, value in module.state_dict().items()}
    running, batch = (generate_samples(module, 8, 3, 8, 0, "cpu", batch_norm=how) for how in ("running", "batch"))
    assert not torch.equal(running, batch)
    assert all(torch.equal(value, kept[name]) for name, value in module.state_dict().items())
    assert torch.equal(running, generate_samples(module, 8, 3, 8, 0, "cpu"))
    pixels = batch.double() / 127.5 - 1
    assert pixels.atanh().mean((0, 2, 3)) == pytest.approx([0, 0, 0], abs=0.05)  # normalised by its own batch


class Judge(Metric):
    """A metric by features, with a name in the literature."""

    compares = "features"
    better = {"distance": "lower", "share": "higher"}
    literature_name = {"distance": "fid"}

    def score(self, prepared, real, samples):
        return {"distance": 0.0, "share": 1.0}


def test_only_the_weights_of_the_literature_give_the_names_of_the_literature():
    ours = Identity("inception", "0" * 64, "", literature=False)
    theirs = Identity("inception", inception.SHA256, "", literature=True)
    assert score_names(Judge(), ours) == {"distance": "distance_inception", "share": "share_inception"}
    assert score_names(Judge(), theirs) == {"distance": "fid", "share": "share_inception"}


def test_flags_name_the_score_that_does_not_see_a_degradation():
    names = {"distance": "d", "share": "s"}
    checks = {"held_out": {"d": 1.0, "s": 0.9}, "blurred": {"d": 0.5, "s": 0.2}, "noisy": {"d": 2.0, "s": 0.95}}
    found = flags(Judge(), names, checks)
    assert found == [
        "d: blurred held-out samples score 0.5, no worse than real ones, 1",
        "s: noisy held-out samples score 0.95, no worse than real ones, 0.9",
    ]
    checks = {"held_out": {"d": 1.0, "s": 0.9}, "blurred": {"d": 5.0, "s": 0.2}, "noisy": {"d": 2.0, "s": 0.5}}
    assert flags(Judge(), names, checks) == []


@pytest.mark.parametrize(("value", "agrees"), [(11.24, True), (11.2, True), (9.67, False), (12.0, False)])
def test_the_training_set_of_cifar10_has_the_inception_score_of_the_literature(value, agrees):
    known = literature_scores("cifar10", 50_000)
    assert known.keys() == {"inception_score"}
    assert compare_with_literature(known["inception_score"], value)["agrees"] == agrees
    assert literature_scores("cifar10", 10_000) == literature_scores("lsun_bedroom", 50_000) == {}


def test_degradations_are_what_they_say():
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (20, 3, 32, 32), generator=draw, dtype=torch.uint8)
    assert degraded(images).keys() == {"blurred", "noisy"}
    grey = torch.full((300, 3, 32, 32), 128, dtype=torch.uint8)
    assert torch.equal(blurred(grey), grey)
    assert float((noisy(grey).double() - 128).std()) == pytest.approx(16, rel=0.01)
    single = torch.zeros(1, 3, 33, 33, dtype=torch.uint8)
    single[:, :, 16, 16] = 255
    row = blurred(single)[0, 0, 16, 13:20].double()
    sigma = 33 / 32
    expected = 255 / (2 * np.pi * sigma**2) * np.exp(-(np.arange(-3, 4) ** 2) / (2 * sigma**2))
    assert row == pytest.approx(expected, abs=1)
    points = torch.randn(5000, 2, generator=draw) * torch.tensor([1.0, 10.0])
    assert degraded(points).keys() == {"noisy"}
    assert (noisy(points) - points).std(0) == pytest.approx([0.25, 2.5], rel=0.05)
    labelled = Samples(images, torch.arange(20) % 4)
    assert fewer_classes(labelled).labels.unique().tolist() == [0, 1] and len(fewer_classes(labelled)) == 10
    assert fewer_classes(Samples(images)) is None


def test_copies_have_their_originals_as_neighbours():
    draw = torch.Generator().manual_seed(0)
    real = torch.randn(1500, 8, generator=draw)
    made = torch.randn(40, 8, generator=draw)
    made[[3, 17, 30]] = real[[700, 5, 1499]]
    found = nearest_neighbours(made, real, real_distance(real))
    assert found.samples[:6].tolist() == [0, 1, 2, 3, 4, 5] and {17, 30} <= set(found.samples[6:8].tolist())
    for sample, original in ((3, 700), (17, 5), (30, 1499)):
        place = found.samples.tolist().index(sample)
        assert found.nearest[place, 0] == original and found.distances[place, 0] == pytest.approx(0, abs=2e-3)
    naive = (real[:, None] - real[None]).square().sum(-1).fill_diagonal_(torch.inf).min(1).values.sqrt().median()
    assert found.real_distance == pytest.approx(float(naive), rel=1e-4)
    pixels = torch.arange(12 * 4, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 2, 2)
    shown = np.asarray(neighbour_grid(pixels[:12], pixels.reshape(12, 4, 3, 2, 2)[:, 1:]))
    assert shown.shape == (8, 24, 3) and shown[0, 22, 0] == 11 and shown[2, 22, 0] == 4 * 11 + 1


def test_neighbours_are_written_with_their_pictures(finished):
    found = json.loads((SCORED / "neighbours.json").read_text())
    assert len(found["samples"]) == 12 and all(len(row) == 3 for row in found["nearest"])
    with Image.open(SCORED / "neighbours.png") as shown:
        assert shown.size == (12 * 16, 4 * 16)


@pytest.mark.parametrize(("metric", "expected"), [("frechet_distance", 20), ("manifold", 10)])
def test_the_best_is_lowest_or_highest_and_of_equal_ones_the_earliest(metric, expected):
    evaluation = checked(Evaluation, {"metrics": [metric], "curve": {"metric": metric}})
    rows = [
        (10, {"x": 3.0, "y": 0.0}),
        (20, {"x": 1.0, "y": 9.0}),
        (30, {"x": 1.0, "y": 0.0}),
        (40, {"x": 3.0, "y": 1.0}),
    ]
    assert best_of(evaluation.curve, rows) == expected
