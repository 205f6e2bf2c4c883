"""train: one variant on one dataset with one seed, from the newest checkpoint if it was interrupted."""

import csv
import io
import shutil
import time
from pathlib import Path

from ganflow.artifacts import read_json, scratch, write_file
from ganflow.config import Experiment
from ganflow.data.interfaces import SPLITS
from ganflow.data.reader import Shards
from ganflow.methods.adversarial import Adversarial
from ganflow.stages.execution import compute_on, device_of, fingerprint, outputs, write_log
from ganflow.stages.units import unit_of
from ganflow.training.loop import Run
from ganflow.training.state import State
from ganflow.training.weights import save_tensors


def run(experiment: Experiment, dataset: str, variant: str, seed: str) -> None:
    """Writes results/<experiment>/runs/<dataset>/<variant>/<seed>: weights, snapshots of the generator's, journal.csv,
    samples and a manifest."""
    device = device_of(experiment)
    unit = unit_of(experiment, device, "train", dataset, variant, seed)
    [shards] = unit.inputs
    name = fingerprint(unit)
    training = experiment.training_of(variant)
    train, held_out = (Shards(shards / split, experiment.compute.threads) for split in SPLITS)
    for split in (train, held_out):
        split.verify()
    compute_on(device)
    method = Adversarial(
        variant, experiment.variants[variant], training, train.shape, int(seed), device, len(train.classes)
    )
    header = {
        "dataset": dataset,
        "variant": variant,
        "seed": int(seed),
        "shape": list(train.shape),
        "latent": training.latent,
        "classes": method.classes,
        "scale": method.image_scale,
        "network": unit.parameters["network"],
        "data": read_json(shards / "manifest.json")["fingerprint"],
        "fingerprint": name,
    }
    work = Run(str(unit), method, training, int(seed), device, train, held_out, header)
    folder = scratch("train", name)
    began = time.monotonic()
    state = work.to_the_end(folder)
    rate = work.images_used / (time.monotonic() - began)
    about = {
        "constraint": experiment.variants[variant].constraint.name,
        "legend": method.legend(),
        "settings": {key: part.model_dump(mode="json") for key, part in method.parts.by_key().items()},
    }
    with outputs(unit, about) as partial:
        _write_journal(partial / "journal.csv", state)
        for kept in ("samples", "snapshots"):
            if (folder / kept).exists():
                shutil.copytree(folder / kept, partial / kept, ignore=shutil.ignore_patterns("*.partial"))
        for key, module in (method.modules | work.generators()).items():
            said = {"module": key, "iteration": state.iteration} | header
            save_tensors(partial / f"{key}.safetensors", module.state_dict(), said)
    write_log(unit, device=device, images_per_second=round(rate, 1))


def _write_journal(path: Path, state: State) -> None:
    text = io.StringIO()
    columns = ["iteration", *sorted(set(state.journal[0]) - {"iteration"})]  # a restored row has an order of its own
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(state.journal)
    write_file(path, text.getvalue())
