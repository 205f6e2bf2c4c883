"""Scores of snapshots of trainings in progress, for `publish --follow`; `generate` computes the same scores later."""

from contextlib import suppress

import numpy as np

from ganflow.artifacts import MANIFEST, SCRATCH, read_manifest
from ganflow.config import Curve, Evaluation, Experiment
from ganflow.data import SPLITS
from ganflow.data.reader import Shards
from ganflow.evaluation.curve import ScoreRow, SnapshotScorer, needs_values, snapshots
from ganflow.evaluation.extraction import extraction_of
from ganflow.evaluation.sample_sets import real_set
from ganflow.stages.execution import device_of
from ganflow.stages.sections import evaluation_for
from ganflow.stages.status import changes
from ganflow.stages.units import unit_of
from ganflow.training.divergence import Diverged


class SnapshotScores:
    """The scores over training of an experiment so far; every snapshot is scored once."""

    def __init__(self, experiment: Experiment):
        self.experiment, self.device = experiment, device_of(experiment)
        self.scorers: dict[str, SnapshotScorer] = {}  # by dataset
        self.rows: dict[str, dict[int, ScoreRow]] = {}  # by fingerprint of the training

    def of(self, dataset: str, variant: str, fingerprint: str) -> dict[str, np.ndarray] | None:
        """Columns as in curve.csv; None without a curve in params.yaml, snapshots or features of real samples."""
        evaluation = evaluation_for(self.experiment, dataset)
        if evaluation.curve is None or (scorer := self._scorer(dataset, evaluation, evaluation.curve)) is None:
            return None
        averaged = evaluation.weights == "ema" and self.experiment.training_of(variant).ema
        saved = snapshots(SCRATCH / "train" / fingerprint[:32], "generator_ema" if averaged else "generator")
        known = self.rows.setdefault(fingerprint, {})
        with suppress(Diverged):  # `generate` records it, once the training is finished
            for iteration in sorted(saved.keys() - known.keys()):
                known[iteration] = scorer.score(saved[iteration])
        if not known:
            return None
        scores = {name: np.array([row[name] for _, row in known.values()]) for name in next(iter(known.values()))[1]}
        return {"iteration": np.array(list(known), dtype=float)} | scores

    def _scorer(self, dataset: str, evaluation: Evaluation, curve: Curve) -> SnapshotScorer | None:
        """The scorer for a dataset; None until its features are up to date."""
        if dataset not in self.scorers:
            unit = unit_of(self.experiment, self.device, "extract", dataset)
            if not (unit.output / MANIFEST).is_file() or list(changes(unit, read_manifest(unit.output))):
                return None
            extractor, shards = unit.inputs
            extraction = extraction_of(evaluation, extractor, self.device)
            features = unit.output if extraction else None
            train, values = Shards(shards / SPLITS[0]), needs_values(curve)
            real = real_set(train, features, evaluation.max_real_images, values)
            self.scorers[dataset] = SnapshotScorer(evaluation, curve, real, extraction, self.device)
        return self.scorers[dataset]
