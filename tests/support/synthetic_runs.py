"""Finished runs of a synthetic experiment with their scores, as the stages leave them, without any training."""

import csv
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from ganflow.artifacts import digest_value, read_manifest, write_json, write_manifest
from ganflow.config import Experiment
from ganflow.params_file import checked
from ganflow.randomness import generator
from ganflow.training.divergence import Divergence, write_divergence

DATASETS = {"rendered_bedrooms": 32, "rendered_objects": 16}
VARIANTS = {  # axis of the estimate, what its label says, its name in MLflow, the constraint
    "dcgan": ("Jensen-Shannon, of images", "(lower bound, at most 0.693)", "jensen-shannon", "none"),
    "wgan": (
        "wgan: K × Wasserstein, of images",
        "= K × W, K unknown (clipped critic)",
        "wasserstein times K of wgan",
        "weight_clipping",
    ),
    "wgan_gp": (
        "Raw: W (1 + W / 20), of images",
        "= W (1 + W / 20) at optimum",
        "wasserstein times slope of wgan_gp",
        "gradient_penalty",
    ),
}
OVER_NORM = "validation_estimate_over_gradient_norm"
FRECHET, PRECISION = "frechet_distance_efficientnet_lite0", "precision_efficientnet_lite0"
BETTER = {FRECHET: "lower", PRECISION: "higher", "sliced_wasserstein": "lower"}
ORDER = ["sliced_wasserstein", FRECHET, PRECISION]
REAL = {FRECHET: 20.0, PRECISION: 0.9, "sliced_wasserstein": 0.0123}
FLAG = f"{PRECISION}: blurred images score no worse than held-out ones"
BEST = f"lowest {FRECHET} of 50 images, every 3 iterations"
EXTRACTOR = {"name": "efficientnet_lite0", "sha256": "e" * 64, "resize": "bilinear to 96 x 96"}


def experiment_of(seeds: tuple[int, ...]) -> Experiment:
    datasets = {
        name: {"format": "cifar10", "source": "rendered", "resolution": size} for name, size in DATASETS.items()
    }
    variants = {name: {"network": "dcgan", "objective": "wasserstein", "optimizer": "adam"} for name in VARIANTS}
    metrics = ["sliced_wasserstein", "frechet_distance", "precision_recall"]
    rest = {"training": {"iterations": 6}, "evaluation": {"metrics": metrics}}
    named = {"experiment": "synthetic", "seeds": seeds, "datasets": datasets, "variants": variants}
    return checked(Experiment, named | rest)


def make_run(top: Path, dataset: str, variant: str, seed: int) -> None:
    """A finished run and its score, as the train and evaluate stages leave them."""
    random = generator(seed, f"{dataset}/{variant}")
    *_, metric, constraint = VARIANTS[variant]
    folder, size = top.joinpath("runs", dataset, variant, str(seed)), DATASETS[dataset]
    (folder / "samples").mkdir(parents=True)
    for iteration in (0, 3, 6):
        pixels = random.integers(0, 256, (2 * size, 2 * size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "samples" / f"{iteration:09d}.png")
    columns = ["critic_loss", "estimate", *(["penalty", "gradient_norm"] if constraint == "gradient_penalty" else [])]
    columns += ["generator_loss", "training_critic_loss", "validation_critic_loss", "validation_estimate"]
    columns += [OVER_NORM] if "K" in VARIANTS[variant][1] or constraint == "gradient_penalty" else []
    with (folder / "journal.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["iteration", *columns])
        writer.writerows([step, *random.normal(size=len(columns)).tolist()] for step in (2, 4, 6))
    about = {
        "stage": "train",
        "unit": [dataset, variant, str(seed)],
        "fingerprint": f"{dataset}-{variant}-{seed}".encode().hex(),
        "digest": "0" * 64,
        "scored": "generator",
        "exports": {"generator": {"takes": "latent", "gives": "samples", "averaged": False}},
        "charts": charts_of(variant, columns),
        "grids": [],
        "summary": ["wasserstein", *([constraint] if constraint != "none" else [])],
        "held_out_loss": "validation_critic_loss",
        "metric_names": {column: f"{column}/{metric}" for column in ("estimate", "validation_estimate")},
        "settings": {
            "network": {"name": "<b>&dcgan</b>", "settings": {"width": 64}},
            "method": {"name": "adversarial", "settings": {"critic_steps": {"steps": 2}}},
            "objective": {"name": "wasserstein", "settings": {}},
            "constraint": {"name": constraint, "settings": {}},
            "conditioning": {"name": "none", "settings": {}},
            "optimizer": {"name": "adam", "settings": {"lr": 0.0002}},
        },
        "parameters": {
            "network": {"name": "<b>&dcgan</b>", "settings": {}},
            "method": {"name": "adversarial", "settings": {"objective": "wasserstein"}},
            "optimizer": {"name": "adam", "settings": {}},
            "training": {"iterations": 6, "grid": 2},
        },
        "inputs": {f"data/shards/{dataset}": "1" * 64},
        "code": {"ganflow.networks": "2" * 64},
        "versions": {"torch": "2.14.1"},
    }
    write_manifest(folder, about)
    generated = top.joinpath("generated", dataset, variant, str(seed))
    generated.mkdir(parents=True)
    with (generated / "curve.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["iteration", FRECHET])
        writer.writerows([step, float(random.uniform(100, 300))] for step in (0, 3, 6))
    scores = top.joinpath("scores", dataset, variant, str(seed))
    write_json(scores / "score.json", score := score_of(random, dataset, variant, seed))
    write_neighbours(random, scores, size)
    write_manifest(scores, {"stage": "evaluate", "fingerprint": digest_value(score)})


def charts_of(variant: str, columns: list[str]) -> list[dict]:
    """The charts of an adversarial method, as its manifest has them."""
    axis, note, *_ = VARIANTS[variant]
    plain = {"level": 0.0, "series": "", "dotted": False}
    loss = plain | {
        "figure": "losses",
        "axis": variant,
        "title": variant,
        "label": "critic loss (minimised)\nformula of the loss",
    }
    made = [
        loss | {"column": "training_critic_loss", "series": "training data"},
        loss | {"column": "validation_critic_loss", "series": "held-out data", "dotted": True},
    ]
    estimate = plain | {"figure": "estimates", "axis": axis, "title": axis, "label": f"formula of the estimate\n{note}"}
    made.append(estimate | {"column": "validation_estimate"})
    if OVER_NORM in columns:
        over = "Estimates over slope"
        made.append(estimate | {"column": OVER_NORM, "axis": over, "title": over, "label": "(rough)"})
    return made


def score_of(random: np.random.Generator, dataset: str, variant: str, seed: int) -> dict:
    def drawn() -> dict[str, float]:
        return {name: float(random.random()) for name in BETTER} | {f"{FRECHET}_std": 0.2468}

    degraded = {name: value / 2 if BETTER[name] == "higher" else 9 * value for name, value in REAL.items()}
    return {
        "dataset": dataset,
        "variant": variant,
        "seed": seed,
        "iteration": 6,
        "scores": drawn(),
        "best": {"iteration": 3, "scores": drawn()},
        "better": BETTER,
        "order": ORDER,
        "compares": {name: "images" if name == "sliced_wasserstein" else "features" for name in BETTER},
        "continuous": [FRECHET, "sliced_wasserstein"],
        "checks": {
            name: {"samples": 40, "scores": scores}
            for name, scores in {"blurred": degraded, "held_out": REAL, "noisy": degraded}.items()
        },
        "flags": [FLAG] if dataset == "rendered_objects" else [],
        "literature": {},
        "held_out_loss": float(random.normal()),
        "protocol": {
            "images": 32,
            "real_images": 32,
            "real_split": "train",
            "check_split": "validation",
            "batch_size": 16,
            "weights": "raw",
            "batch_norm": "running",
            "ema_batch_norm": None,
            "iteration": "final",
            "best": BEST,
            "seed": seed,
            "extractor": EXTRACTOR,
            "metrics": {"sliced_wasserstein": {"patches": 16}, "frechet_distance": {}, "precision_recall": {"k": 3}},
            "versions": {"torch": "2.14.1"},
        },
    }


def write_neighbours(random: np.random.Generator, scores: Path, size: int) -> None:
    pixels = random.integers(0, 256, (4 * size, 12 * size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(scores / "neighbours.png")
    about = {"samples": list(range(12)), "nearest": [[3, 4, 5]] * 12, "real_distance": 2.0}
    distances = [[2.0, 3.0, 4.0]] * 6 + [[1.0, 3.0, 4.0]] * 6
    write_json(scores / "neighbours.json", about | {"distances": distances, "first": 6, "nearest_first": 6})


def make_runs(results: Path, experiment: Experiment) -> None:
    for dataset in experiment.datasets:
        for variant in experiment.variants:
            for seed in experiment.seeds:
                make_run(results / experiment.experiment, dataset, variant, seed)


def diverge(top: Path, dataset: str, variant: str, seed: int) -> None:
    """Makes a finished run one that diverged at iteration 5, with two rows of its journal and two grids."""
    axes = (dataset, variant, str(seed))
    run, scores, generated = (top.joinpath(kind, *axes) for kind in ("runs", "scores", "generated"))
    rows = (run / "journal.csv").read_text().splitlines(keepends=True)
    values = [row.rstrip().split(",") for row in rows[1:3]]
    exploding = [",".join([row[0], *["1e30"] * (len(row) - 1)]) + "\n" for row in values]
    (run / "journal.csv").write_text("".join([rows[0], *exploding]))
    (run / "samples/000000006.png").unlink()
    about, scored = read_manifest(run), read_manifest(scores)["fingerprint"]
    shutil.rmtree(scores)
    shutil.rmtree(generated)
    found = Divergence(
        iteration=5,
        values={"critic_loss": "nan", "penalty": "inf"},
        finite_until=4,
        snapshot=3,
        remedy="lower the variant's learning rate in params.yaml, or constrain its critic",
    )
    for folder, origin in ((run, about), (scores, {"stage": "evaluate", "fingerprint": scored})):
        write_divergence(folder, found)
        write_manifest(folder, {key: value for key, value in origin.items() if key not in ("outputs", "content")})
