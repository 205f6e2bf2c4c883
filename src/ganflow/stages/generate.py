"""generate: scores of a training's snapshots, and features of images generated with its final and its best weights."""

from ganflow.config import Experiment
from ganflow.data import SPLITS
from ganflow.data.reader import Shards
from ganflow.evaluation.curve import SnapshotScorer, best_of, needs_values, scored_weights, snapshots, write_curve
from ganflow.evaluation.extraction import extraction_of
from ganflow.evaluation.generated_samples import evaluation_samples, given_to, scores_distributions
from ganflow.evaluation.sample_sets import real_set, save_features
from ganflow.progress import Progress
from ganflow.stages.devices import compute_on
from ganflow.stages.execution import outputs
from ganflow.stages.outcomes import recording
from ganflow.stages.sections import evaluation_for
from ganflow.stages.units import unit_of
from ganflow.tensor_files import load_tensors
from ganflow.training.divergence import refuse_diverged
from ganflow.training.weights import load_generator


def run(experiment: Experiment, dataset: str, variant: str, seed: str) -> None:
    """Writes results/<experiment>/generated/<dataset>/<variant>/<seed>: curve.csv, if params.yaml has a curve, and
    final and best .safetensors, features (n, f) and logits (n, k), if it has an extractor.

    There is no best.safetensors if the final weights are the best. If the training diverged, or samples are not finite,
    there is divergence.json and nothing else.
    """
    device = compute_on(experiment)
    unit = unit_of(experiment, device, "generate", dataset, variant, seed)
    weights, shards, features, trained = unit.inputs
    evaluation = evaluation_for(experiment, dataset)
    with outputs(unit) as folder, recording(unit, folder):
        refuse_diverged(trained)
        extraction = extraction_of(evaluation, weights, device)
        file = scored_weights(evaluation, trained)
        selected = {"final": file}
        given = given_to(load_tensors(file)[1], shards, device)
        if (curve := evaluation.curve) and scores_distributions(given, evaluation, curve):
            train = Shards(shards / SPLITS[0], experiment.compute.threads)
            kept, values = features if extraction else None, needs_values(curve)
            real = real_set(train, kept, evaluation.max_real_images, values)
            scorer = SnapshotScorer(evaluation, curve, real, extraction, device, given)
            saved, rows = snapshots(trained, file.stem), []
            with Progress(f"{unit}, curve", len(saved) + 1, "snapshots") as progress:
                for path in [*saved.values(), file]:
                    rows.append(scorer.score(path))
                    progress.advance()
            write_curve(folder / "curve.csv", rows)
            best = best_of(curve, rows)
            selected |= {"best": saved[best]} if best in saved else {}
        if extraction:
            for name, path in selected.items():
                images = evaluation_samples(
                    evaluation, *load_generator(path, device), device, what=f"{unit}, {name} samples", given=given
                )
                save_features(folder, name, extraction.of(images, f"{unit}, {name}"), extraction)
