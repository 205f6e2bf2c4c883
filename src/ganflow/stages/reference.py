"""reference: what every metric needs to know of the real images, once a dataset, and each metric's floor: its score of
the held-out images, which no generator can be expected to beat."""

from ganflow.artifacts import write_json
from ganflow.config import Experiment
from ganflow.data.interfaces import SPLITS
from ganflow.data.reader import Shards
from ganflow.evaluation.images import real_images
from ganflow.evaluation.interfaces import metrics_of
from ganflow.stages.execution import device_of, outputs
from ganflow.stages.units import unit_of
from ganflow.training.weights import save_tensors


def run(experiment: Experiment, dataset: str) -> None:
    """Writes data/reference/<dataset>: <metric>.safetensors of the training images, and floor.json."""
    unit = unit_of(experiment, device_of(experiment), "reference", dataset)
    [shards] = unit.inputs
    with outputs(unit) as folder:
        (train, labels), (held_out, _) = (
            real_images(Shards(shards / split), experiment.evaluation.images) for split in SPLITS
        )
        floor = {}
        for name, metric in metrics_of(experiment.evaluation).items():
            if metric.needs_labels and labels is None:
                continue
            statistics = metric.of_real(train, labels)
            save_tensors(folder / f"{name}.safetensors", statistics, {"metric": name, "images": len(train)})
            floor[name] = metric.score(statistics, metric.statistics(held_out))
        write_json(folder / "floor.json", {"images": len(held_out), "scores": floor})
