"""train: one variant on one dataset with one seed, from the newest checkpoint if it was interrupted."""

import time
from dataclasses import asdict
from typing import Any

from ganflow.artifacts import content_digest, write_file
from ganflow.components import choices
from ganflow.config import Experiment, Variant
from ganflow.data import SPLITS
from ganflow.data.reader import Shards
from ganflow.errors import UserError
from ganflow.methods.interfaces import Data, Model
from ganflow.methods.tasks import method_of, task_of
from ganflow.progress import log
from ganflow.serialization import csv_text
from ganflow.stages.devices import compute_on
from ganflow.stages.execution import fingerprint, outputs, scratch_of, write_log
from ganflow.stages.units import unit_of
from ganflow.training.divergence import Diverged, write_divergence
from ganflow.training.loop import Trainer
from ganflow.training.written_files import copy


def run(experiment: Experiment, dataset: str, variant: str, seed: str) -> None:
    """Writes results/<experiment>/runs/<dataset>/<variant>/<seed>: weights, snapshots, journal and samples; if the
    training diverged, divergence.json in place of the weights, and the rest from before."""
    device = compute_on(experiment, tf32=experiment.training_of(variant).precision == "tf32")
    unit = unit_of(experiment, device, "train", dataset, variant, seed)
    [shards] = unit.inputs
    name = fingerprint(unit)
    train, held_out = (Shards(shards / split, experiment.compute.threads) for split in SPLITS)
    task = task_of(experiment, dataset, variant, bool(train.classes))
    model = method_of(task).build(task, Data(len(train.classes), train.first), int(seed), device)
    header = {
        "dataset": dataset,
        "variant": variant,
        "seed": int(seed),
        "shape": list(train.shape),
        "latent": model.latent,
        "classes": model.classes,
        "data": content_digest(shards),
    }
    trainer = Trainer(str(unit), model, task.training, int(seed), device, train, held_out, header)
    folder = scratch_of(unit, name)
    start = time.monotonic()
    diverged = None
    try:
        state = trainer.run(folder)
        journal, files = state.journal, state.files
    except Diverged as found:
        log(f"{unit} {found}")
        diverged, journal, files = found.divergence, found.journal, dict(found.files)
    rate = trainer.images_used / (time.monotonic() - start)
    if fingerprint(unit) != name:
        raise UserError(f"{unit}: its input {shards} was made again while it trained; run it again to train on that")
    flags = [] if diverged else model.flags(journal)
    about = describe(model) | {"settings": resolved(experiment.variants[variant]), "flags": flags}
    with outputs(unit, about) as partial:
        write_file(partial / "journal.csv", journal_text(journal))
        copy(folder, files, partial)
        if diverged:
            write_divergence(partial, diverged)
        else:
            for file in trainer.exported():
                trainer.save(partial / f"{file}.safetensors", file, task.training.iterations)
    write_log(unit, device=device, images_per_second=round(rate, 1))


def describe(model: Model) -> dict[str, Any]:
    """The description of a model in the manifest, for scores, the report and MLflow."""
    return {
        "scored": model.scored,
        "exports": {
            name: {"takes": export.takes, "gives": export.gives, "averaged": export.averaged}
            for name, export in model.exports.items()
        },
        "charts": [asdict(chart) for chart in model.charts],
        "grids": [{"name": grid.name, "title": grid.title, "caption": grid.caption} for grid in model.grids],
        "summary": list(model.summary),
        "held_out_loss": model.held_out_loss,
        "metric_names": dict(model.metric_names),
    }


def resolved(variant: Variant) -> dict[str, Any]:
    """{key, relative to the method: name and all settings} of every component of a variant."""
    found = {}
    for key, module, chosen in choices(variant):
        nested = {name for name, _, _ in choices(chosen)}
        settings = {name: value for name, value in chosen.model_dump(mode="json").items() if name not in nested}
        found[key.removeprefix(f"method.{variant.method.name}.")] = {
            "name": module.rpartition(".")[2],
            "settings": settings,
        }
    return found


def journal_text(rows: list[dict[str, float]]) -> str:
    """The text of journal.csv, with `iteration` as first column; without rows, no more than that."""
    columns = ["iteration", *sorted(set(*rows[:1]) - {"iteration"})]  # restored rows have another order
    return csv_text(columns, [[row[column] for column in columns] for row in rows])
