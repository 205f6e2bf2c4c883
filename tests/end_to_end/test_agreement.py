"""Agreement: the numbers in score.json are those that torch-fidelity computes of the same images, out of PNG files."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from inception_weights import write_random_weights
from PIL import Image
from repository import TOP
from torch import Tensor

from ganflow.artifacts import read_json
from ganflow.data.reader import Shards
from ganflow.evaluation import checks
from ganflow.evaluation.extractors import inception
from ganflow.evaluation.sample_sets import subset_indices
from ganflow.stages.cli import main

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("agreement")]  # one run for both tests

RUN = ("rendered_objects", "dcgan", "0")
EVALUATION = """evaluation:
  images: 16
  batch_size: 16
  extractor: {{inception: {{weights: local/weights.pth, sha256: {sha256}}}}}
  metrics: [frechet_distance, {{kernel_distance: {{subset_size: 12}}}}, {{classifier_score: {{splits: 8}}}}, manifold]
"""

FEW = 1e-3  # theirs errs with fewer images than features: rounding in the null directions of a singular product
KEYS = {
    "frechet_distance_inception": "frechet_inception_distance",
    "kernel_distance_inception": "kernel_inception_distance_mean",
    "kernel_distance_inception_std": "kernel_inception_distance_std",
    "classifier_score_inception": "inception_score_mean",
    "classifier_score_inception_std": "inception_score_std",
    "precision_inception": "precision",
    "recall_inception": "recall",
}


@pytest.fixture(scope="module")
def scored(tmp_path_factory) -> Path:
    """One run on the rendered objects, scored by the Inception network with random weights."""
    folder = tmp_path_factory.mktemp("agreement")
    sha256 = write_random_weights(folder / "local/weights.pth")
    text = re.sub(r"  rendered_bedrooms:.*\n|  wgan_gp:.*\n", "", (TOP / "profiles/tiny.yaml").read_text())
    text = text.replace("validation: 20", "validation: 16")  # a batch of the extractor
    text = text[: text.index("evaluation:")] + EVALUATION.format(sha256=sha256)
    (folder / "params.yaml").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for stage in (["extractor"], *([name, RUN[0]] for name in ("download", "shard", "extract", "reference"))):
            assert main(stage) == 0
        for stage in ("train", "generate", "evaluate"):
            assert main([stage, *RUN]) == 0
    return folder


def few_frechet(*features: Tensor) -> float:
    """The Fréchet distance of two sets of fewer samples than features, by the singular values of their products, in a
    moment: torch-fidelity takes the root of a matrix of 2048 rows."""
    one, other = (values.double() - values.double().mean(0) for values in features)
    counts = [len(values) - 1 for values in (one, other)]
    apart = (features[0].double().mean(0) - features[1].double().mean(0)).square().sum()
    variances = one.square().sum() / counts[0] + other.square().sum() / counts[1]
    shared = torch.linalg.svdvals(one @ other.T).sum() / (counts[0] * counts[1]) ** 0.5
    return float(apart + variances - 2 * shared)


def test_score_json_holds_what_torch_fidelity_computes_of_the_same_images(scored, monkeypatch, tmp_path):
    from torch_fidelity import calculate_metrics

    monkeypatch.chdir(scored)
    assert main(["sample", "/".join(RUN), "--weights", "raw", "--images", "16", "--out", "generated"]) == 0
    for split, most in (("train", 16), ("validation", 16)):
        shards = Shards(Path("data/shards/rendered_objects", split))
        Path(split).mkdir()
        for place, pixels in enumerate(shards.samples(subset_indices(shards.count, most))):
            Image.fromarray(pixels).save(f"{split}/{place:06d}.png")
    how = {"input2": "train", "feature_extractor": "inception-v3-compat", "batch_size": 12, "cuda": False}
    how |= {"feature_extractor_weights_path": "local/weights.pth", "cache": True, "cache_root": str(tmp_path)}
    how |= {"input2_cache_name": "train", "verbose": False}  # of each image features once
    prc = {"prc": True, "feature_layer_prc": "2048"}
    ours = read_json(Path("results/tiny/scores", *RUN, "score.json"))
    theirs = calculate_metrics(
        input1="validation",
        input1_cache_name="validation",
        isc=True,
        isc_splits=8,
        fid=True,
        kid=True,
        kid_subset_size=12,
        **prc,
        **how,
    )
    held_out = ours["checks"]["held_out"]["scores"]
    for name, key in KEYS.items():
        assert held_out[name] == pytest.approx(theirs[key], rel=FEW if name.startswith("frechet") else 1e-5), name
    assert held_out["precision_inception"] > 0 and held_out["classifier_score_inception"] > 1.1  # logits that differ
    how |= {"isc": True, "isc_splits": 8, "kid": True, "kid_subset_size": 12} | prc
    theirs = calculate_metrics(input1="generated", input1_cache_name="generated", **how)
    theirs["frechet_inception_distance"] = few_frechet(
        *(torch.load(tmp_path / f"{name}-inception-v3-compat-features-2048.pt") for name in ("generated", "train"))
    )
    for name, key in KEYS.items():
        close = 1e-4 if name.startswith("frechet") else 1e-5
        assert ours["scores"][name] == pytest.approx(theirs[key], rel=close, abs=1e-9), name  # a deviation of 4e-5


def test_the_names_of_the_literature_need_its_weights(scored, monkeypatch, tmp_path):
    """By other weights no score is called FID, KID or Inception Score; by the published ones all are."""
    monkeypatch.chdir(scored)
    found = read_json(Path("results/tiny/scores", *RUN, "score.json"))
    assert not {"fid", "kid", "inception_score"} & found["scores"].keys()
    assert not any(re.search("fid|inception_score", name.removesuffix("_inception")) for name in found["scores"])
    weights = read_json(Path("data/extractor/manifest.json"))["outputs"]["weights.pth"]["sha256"]
    assert found["protocol"]["extractor"]["sha256"] == weights != inception.SHA256
    monkeypatch.setattr(inception.Inception, "literature", weights)
    monkeypatch.setattr(checks, "LITERATURE", (replace(checks.LITERATURE[0], images=16),))
    for stage in (["reference", RUN[0]], ["evaluate", *RUN]):
        assert main(stage) == 0
    rescored = read_json(Path("results/tiny/scores", *RUN, "score.json"))
    renamed = rescored["scores"]
    assert {"fid", "kid", "kid_std", "inception_score", "inception_score_std"} <= renamed.keys()
    assert renamed["fid"] == found["scores"]["frechet_distance_inception"]
    assert np.isfinite(list(renamed.values())).all()
    known = rescored["literature"]["inception_score"]
    assert known["expected"] == 11.24 and not known["agrees"]
    said = f"inception_score: 16 training images score {known['found']:.4g}; published: 11.24"
    assert any(flag.startswith(said) for flag in rescored["flags"])
