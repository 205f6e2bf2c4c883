"""evaluate: scores a trained generator, at its last weights and at its best, by the metrics of params.yaml, with the
protocol that each number was made under and the checks that say what it is worth."""

import csv
from pathlib import Path

from ganflow.artifacts import MANIFEST, read_json, write_file, write_json
from ganflow.config import Evaluation, Experiment
from ganflow.data import SPLITS
from ganflow.data.reader import Shards
from ganflow.evaluation.curve import best_of, chooses, read_curve, scored_weights, snapshots
from ganflow.evaluation.images import scored_images
from ganflow.evaluation.interfaces import Identity, Samples, curve_metric, score_names
from ganflow.evaluation.nearest_neighbours import neighbours, picture
from ganflow.evaluation.sets import chosen_samples, load_features, real_samples, real_set
from ganflow.evaluation.suite import MetricSuite
from ganflow.stages.arithmetic import compute_on
from ganflow.stages.execution import device_of, outputs
from ganflow.stages.sections import evaluation_for
from ganflow.stages.units import unit_of
from ganflow.tensor_files import load_tensors
from ganflow.training.image_files import encoded
from ganflow.training.weights import load_generator


def run(experiment: Experiment, dataset: str, variant: str, seed: str) -> None:
    """Writes results/<experiment>/scores/<dataset>/<variant>/<seed>: score.json, by features also neighbours.png and
    .json, and a manifest."""
    device = device_of(experiment)
    unit = unit_of(experiment, device, "evaluate", dataset, variant, seed)
    asked = evaluation_for(experiment, dataset)
    compute_on(device)
    weights, shards, features, reference, trained, generated = unit.inputs
    train = Shards(shards / SPLITS[0], experiment.compute.threads)
    real = real_set(train, features if asked.extractor else None, asked.max_real_images, values=False)
    judges = MetricSuite(asked, weights, labelled=train.labelled)
    judges.load(reference)
    file, checks = scored_weights(asked, trained), read_json(reference / "checks.json")
    _, about = load_tensors(file)
    best = best_of(asked.curve, read_curve(generated / "curve.csv")) if asked.curve else None
    passed = snapshots(trained, file.stem)
    with outputs(unit) as folder:
        final = _samples(asked, judges, file, generated, "final", device)
        scores = judges.scores(real, final)
        at_best = scores
        if best in passed:
            at_best = judges.scores(real, _samples(asked, judges, passed[best], generated, "best", device))
        if asked.extractor:
            found = neighbours(final.features, real.features, checks["real_distance"])
            write_json(folder / "neighbours.json", found.as_json)
            indices = chosen_samples(train.count, asked.max_real_images)[found.nearest]
            beside = real_samples(train, indices.ravel()).unflatten(0, indices.shape)
            images = (
                final.values if judges.needs_values else scored_images(asked, *load_generator(file, device), device)
            )
            write_file(folder / "neighbours.png", encoded([picture(images[found.samples], beside)], ".png"))
        manifest = read_json(trained / MANIFEST)
        with (trained / "journal.csv").open(newline="") as journal:
            last = list(csv.DictReader(journal))[-1]
        content = {
            "dataset": dataset,
            "variant": variant,
            "seed": int(seed),
            "iteration": about["iteration"],
            "scores": scores,
            "best": None if best is None else {"iteration": best, "scores": at_best},
            "better": judges.better,
            "order": list(judges.better),
            "checks": checks["checks"],
            "flags": checks["flags"],
            "literature": checks["literature"],
            "held_out_loss": float(last[manifest["held_out_loss"]]),
            "protocol": {
                "images": asked.images,
                "real_images": checks["real_images"],
                "real_split": SPLITS[0],
                "check_split": SPLITS[1],
                "batch_size": asked.batch_size,
                "weights": "ema" if file.stem.endswith("_ema") else "raw",
                "batch_norm": asked.batch_norm,
                "seed": int(seed),
                "iteration": "final",
                "best": _chosen(asked, judges),
                "extractor": _described(judges.identity),
                "metrics": {name: metric.model_dump(mode="json") for name, metric in judges.metrics.items()},
                "versions": unit.versions,
            },
        }
        write_json(folder / "score.json", content)


def _samples(asked: Evaluation, judges: MetricSuite, file: Path, generated: Path, name: str, device: str) -> Samples:
    """What the metrics are to see of the samples by some weights: made again, if any looks at them, and features."""
    values = scored_images(asked, *load_generator(file, device), device) if judges.needs_values else None
    return Samples(values) | load_features(generated, name) if asked.extractor else Samples(values)


def _chosen(asked: Evaluation, judges: MetricSuite) -> str | None:
    """How the best iteration was chosen, in words."""
    if asked.curve is None:
        return None
    score = next(iter(score_names(curve_metric(asked.curve), judges.identity).values()))
    extreme = "lowest" if chooses(asked.curve) == "lower" else "highest"
    return f"{extreme} {score} of {asked.curve.images} samples of each snapshot"


def _described(identity: Identity | None) -> dict[str, str] | None:
    return None if identity is None else {"name": identity.name, "sha256": identity.sha256, "resize": identity.resize}
