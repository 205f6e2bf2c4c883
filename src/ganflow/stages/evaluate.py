"""evaluate: scores the final and the best weights of a trained generator, with their protocol and checks."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from torch import Tensor

from ganflow.artifacts import read_csv, read_model, write_file, write_json
from ganflow.config import Evaluation, Experiment
from ganflow.data import SPLITS
from ganflow.data.reader import Shards
from ganflow.evaluation.checks import FEATURES
from ganflow.evaluation.curve import best_of, curve_direction, read_curve, scored_weights, snapshots
from ganflow.evaluation.feature_checks import feature_flags
from ganflow.evaluation.generated_samples import Given, evaluation_samples, given_to, scores_distributions
from ganflow.evaluation.interfaces import Identity, Samples, curve_metric, score_names
from ganflow.evaluation.nearest_neighbours import nearest_neighbours, neighbour_grid
from ganflow.evaluation.records import Checks
from ganflow.evaluation.sample_sets import load_features, real_samples, real_set, subset_indices
from ganflow.evaluation.suite import MetricSuite
from ganflow.progress import log
from ganflow.stages.devices import compute_on
from ganflow.stages.execution import outputs
from ganflow.stages.outcomes import recording
from ganflow.stages.sections import evaluation_for
from ganflow.stages.units import Unit, unit_of
from ganflow.tensor_files import load_tensors
from ganflow.training.description import read_description
from ganflow.training.divergence import Divergence, check_numbers, diverged_at, refuse_diverged, write_divergence
from ganflow.training.image_files import encoded
from ganflow.training.weights import load_generator


def run(experiment: Experiment, dataset: str, variant: str, seed: str) -> None:
    """Writes results/<experiment>/scores/<dataset>/<variant>/<seed>: score.json, with an extractor also neighbours.png
    and neighbours.json, and a manifest; if the training diverged, score.json and divergence.json say so, without a
    score."""
    device = compute_on(experiment)
    unit = unit_of(experiment, device, "evaluate", dataset, variant, seed)
    evaluation = evaluation_for(experiment, dataset)
    weights, shards, features, reference, trained, generated = unit.inputs
    with outputs(unit) as folder, recording(unit, folder, partial(_no_score, unit)):
        refuse_diverged(trained, generated)
        train = Shards(shards / SPLITS[0], experiment.compute.threads)
        real = real_set(train, features if evaluation.extractor else None, evaluation.max_real_images, values=False)
        file, checks = scored_weights(evaluation, trained), read_model(Checks, reference / "checks.json")
        tensors, about = load_tensors(file)
        given = given_to(about, shards, device)
        suite = MetricSuite(
            evaluation,
            weights,
            labelled=train.labelled,
            device=device,
            distributions=scores_distributions(given, evaluation),
            translations=bool(given and given.target),
        )
        suite.load(reference)
        best = None
        if (curve := evaluation.curve) and scores_distributions(given, evaluation, curve):
            columns = score_names(curve_metric(curve), suite.identity).values()
            best = best_of(curve, read_curve(generated / "curve.csv", *columns))
        saved = snapshots(trained, file.stem)
        made = partial(_samples, evaluation, generated, device, given)
        final = made(file, "final", f"{unit}, final samples")
        scores = _scores(suite, real, final, about["iteration"])
        at_best, failed = scores, _flags(evaluation, final, f"{dataset} {variant} {seed}, final weights")
        if best in saved:
            chosen = made(saved[best], "best", f"{unit}, best samples")
            at_best = _scores(suite, real, chosen, best)
            failed += _flags(evaluation, chosen, f"{dataset} {variant} {seed}, iteration {best:,}")
        if evaluation.extractor:
            of_final, of_real = (samples.features.to(device) for samples in (final, real))
            found = nearest_neighbours(of_final, of_real, checks["real_distance"])
            write_json(folder / "neighbours.json", found.as_json)
            indices = subset_indices(train.count, evaluation.max_real_images)[found.nearest]
            neighbours = real_samples(train, indices.ravel()).unflatten(0, indices.shape)
            picture = neighbour_grid(final.values[found.samples], neighbours)
            write_file(folder / "neighbours.png", encoded([picture], ".png"))
        manifest = read_description(trained)
        loss = manifest["held_out_loss"]
        content = {
            "dataset": dataset,
            "variant": variant,
            "seed": int(seed),
            "iteration": about["iteration"],
            "scores": scores,
            "best": None if best is None else {"iteration": best, "scores": at_best},
            "better": suite.better,
            "order": list(suite.better),
            "compares": suite.compares,
            "continuous": suite.continuous,
            "checks": checks["checks"],
            "flags": checks["flags"] + failed + [f"{variant}, seed {seed}: {flag}" for flag in manifest["flags"]],
            "literature": checks["literature"],
            "held_out_loss": read_csv(trained / "journal.csv", loss)[loss][-1],
            "protocol": {
                "images": len(final),
                "real_images": checks["real_images"],
                "real_split": SPLITS[0],
                "check_split": SPLITS[1],
                "batch_size": evaluation.batch_size,
                "weights": "ema" if file.stem.endswith("_ema") else "raw",
                "batch_norm": evaluation.batch_norm,
                "ema_batch_norm": _ema_batch_norm(experiment, variant, file, tensors),
                "seed": int(seed),
                "iteration": "final",
                "best": None if best is None else _selection(evaluation, suite),
                "extractor": _extractor(suite.identity),
                "translation": about.get("translation"),
                "metrics": {name: metric.model_dump(mode="json") for name, metric in suite.metrics.items()},
                "versions": unit.versions,
            },
        }
        write_json(folder / "score.json", content)


def _no_score(unit: Unit, folder: Path, divergence: Divergence) -> None:
    dataset, variant, seed = unit.axes
    about = {"dataset": dataset, "variant": variant, "seed": int(seed), "scores": {}}
    write_json(folder / "score.json", about | {"diverged": divergence.sentence})
    write_divergence(folder, divergence)


def _scores(suite: MetricSuite, real: Samples, samples: Samples, iteration: int) -> dict[str, float]:
    """The scores of samples; raises Diverged if one is not finite, as of points as far away as float32 reaches."""
    scores = suite.scores(real, samples)
    with diverged_at(iteration):
        check_numbers(scores)
    return scores


def _samples(
    evaluation: Evaluation, generated: Path, device: str, given: Given | None, file: Path, name: str, what: str
) -> Samples:
    """The samples of a weights file, with their stored features, and the targets of translations; `what`: how making
    them is called."""
    made = evaluation_samples(evaluation, *load_generator(file, device), device, what=what, given=given)
    samples = Samples(made, targets=given.targets(len(made)) if given and given.target else None)
    return samples | load_features(generated, name) if evaluation.extractor else samples


def _flags(evaluation: Evaluation, samples: Samples, whose: str) -> list[str]:
    """A sentence if the extractor hardly tells the scored samples apart."""
    if evaluation.extractor is None or not (found := feature_flags(samples.features, samples.values)):
        return []
    said = f"{FEATURES} {evaluation.extractor.name}, {whose}: {'; '.join(found)}; scores by them say little"
    log(said)
    return [said]


def _ema_batch_norm(experiment: Experiment, variant: str, file: Path, tensors: Mapping[str, Tensor]) -> str | None:
    """Where averaged weights have their batch-norm statistics from; None for raw weights and without batch norm."""
    average = experiment.training_of(variant).ema
    has_statistics = any(name.endswith("running_mean") for name in tensors)
    return average.batch_norm if average and file.stem.endswith("_ema") and has_statistics else None


def _selection(evaluation: Evaluation, suite: MetricSuite) -> str | None:
    """How the best iteration was selected, for the protocol."""
    if evaluation.curve is None:
        return None
    score = next(iter(score_names(curve_metric(evaluation.curve), suite.identity).values()))
    extreme = "lowest" if curve_direction(evaluation.curve) == "lower" else "highest"
    return f"{extreme} {score} of {evaluation.curve.images} samples of each snapshot"


def _extractor(identity: Identity | None) -> dict[str, str] | None:
    if identity is None:
        return None
    stated = {"computation": identity.computation} if identity.computation else {}
    return {"name": identity.name, "sha256": identity.sha256, "resize": identity.resize} | stated
