"""reference: the metrics' statistics of a dataset's real samples, and the scores of held-out samples, the best that a
generator can reach, and of their degradations, which give the scale."""

from ganflow.artifacts import write_json
from ganflow.config import Experiment
from ganflow.data import SPLITS
from ganflow.data.reader import Shards
from ganflow.evaluation.checks import HELD_OUT, compare_with_literature, flags, literature_scores
from ganflow.evaluation.degradations import degraded, fewer_classes
from ganflow.evaluation.interfaces import Samples
from ganflow.evaluation.nearest_neighbours import real_distance
from ganflow.evaluation.sample_sets import load_features, real_set
from ganflow.evaluation.suite import MetricSuite
from ganflow.progress import log
from ganflow.stages.devices import compute_on
from ganflow.stages.execution import outputs
from ganflow.stages.sections import evaluation_for
from ganflow.stages.units import unit_of


def run(experiment: Experiment, dataset: str) -> None:
    """Writes data/reference/<dataset>: <metric>.safetensors of the training samples, and checks.json."""
    device = compute_on(experiment)
    unit = unit_of(experiment, device, "reference", dataset)
    evaluation = evaluation_for(experiment, dataset)
    weights, shards, features = unit.inputs
    kept = features if evaluation.extractor else None
    train, held_out = (real_set(Shards(shards / split), kept, evaluation.max_real_images) for split in SPLITS)
    with outputs(unit) as folder:
        suite = MetricSuite(evaluation, weights, labelled="labels" in train.known, device=device)
        suite.prepare(train)
        suite.save(folder)
        checked = {HELD_OUT: held_out}
        for name, values in degraded(held_out.values).items():
            made = Samples(values, held_out.known.get("labels"))
            checked[name] = made | load_features(features, name) if kept else made
        if fewer := fewer_classes(held_out):
            checked["fewer_classes"] = fewer
        scores = {name: suite.scores(train, samples) for name, samples in checked.items()}
        failed = [flag for metric, names in suite.each() for flag in flags(metric, names, scores)]
        known = literature_scores(experiment.datasets[dataset].format, len(train))
        own = suite.scores(train, train, known) if known else {}
        literature = {score: compare_with_literature(known[score], own[score]) for score in known if score in own}
        failed += [
            f"{score}: {len(train):,} training images score {about['found']:.4g}; published: {about['source']}"
            for score, about in literature.items()
            if not about["agrees"]
        ]
        for flag in failed:
            log(f"{unit}: {flag}")
        checks = {name: {"samples": len(checked[name]), "scores": found} for name, found in scores.items()}
        about = {"checks": checks, "flags": failed, "literature": literature, "real_images": len(train)}
        about |= {"real_distance": real_distance(train.features.to(device))} if kept else {}
        write_json(folder / "checks.json", about)
