"""extract: features of a dataset's real images and of their degradations, for the metrics that compare features."""

from ganflow.artifacts import discard_scratch, read_manifest
from ganflow.config import Experiment
from ganflow.data import SPLITS
from ganflow.data.reader import Shards
from ganflow.evaluation.degradations import degraded
from ganflow.evaluation.extraction import extraction_of
from ganflow.evaluation.sample_sets import real_samples, save_features, subset_indices
from ganflow.stages.devices import compute_on
from ganflow.stages.execution import outputs
from ganflow.stages.sections import evaluation_for
from ganflow.stages.units import unit_of


def run(experiment: Experiment, dataset: str) -> None:
    """Writes data/features/<dataset>: train, validation, blurred and noisy .safetensors, features (n, f) and logits
    (n, k) each; only a manifest without an extractor."""
    device = compute_on(experiment)
    unit = unit_of(experiment, device, "extract", dataset)
    weights, shards = unit.inputs
    evaluation = evaluation_for(experiment, dataset)
    extraction = extraction_of(evaluation, weights, device)
    for file in read_manifest(weights)["outputs"].values():  # DVC has recorded the weights
        discard_scratch("download", file["sha256"])
    with outputs(unit) as folder:
        if extraction is None:
            return
        train, validation = (Shards(shards / split, experiment.compute.threads) for split in SPLITS)
        held_out = real_samples(validation, subset_indices(validation.count, evaluation.max_real_images))
        chosen = subset_indices(train.count, evaluation.max_real_images)
        sets = dict(zip(SPLITS, (real_samples(train, chosen), held_out), strict=True)) | degraded(held_out)
        for name, images in sets.items():
            save_features(folder, name, extraction.of(images, f"{unit}, {name}"), extraction)
