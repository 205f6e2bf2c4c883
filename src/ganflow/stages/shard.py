"""shard: crops and resizes a dataset's images and writes WebDataset tars with an index, one folder per split."""

from functools import partial

from ganflow.artifacts import discard_scratch, read_manifest
from ganflow.components import component, components_of
from ganflow.config import Choice, Experiment
from ganflow.data import SPLITS
from ganflow.data.faults import BadArchive
from ganflow.data.interfaces import Condition, Format, Source
from ganflow.data.writing import write_shards
from ganflow.stages.execution import device_of, fingerprint, outputs, scratch_of
from ganflow.stages.units import unit_of


def run(experiment: Experiment, dataset: str) -> None:
    """Writes data/shards/<dataset>/{train,validation}: <dataset>-<split>-000000.tar, ... and index.json.

    The manifest lists the skipped images with reasons. After a kill, finished shards are kept. Validation, which is
    small, comes first: what is wrong with it is found before the work on train.
    """
    unit = unit_of(experiment, device_of(experiment), "shard", dataset)
    chosen = experiment.datasets[dataset]
    form = component(Format, Choice(name=chosen.format), f"datasets.{dataset}.format")
    source = component(Source, chosen.source, f"datasets.{dataset}.source")
    counts = source.counts(form) or {}
    [raw] = unit.inputs
    for archive in read_manifest(raw)[
        "outputs"
    ].values():  # DVC has recorded the archives, so the downloads are no longer needed
        discard_scratch("download", archive["sha256"])
    name = fingerprint(unit)
    resume_folder = scratch_of(unit, name)
    skipped: dict[str, list[dict[str, str]]] = {}
    with outputs(unit, {"skipped": skipped}) as folder:
        try:
            for split in reversed(SPLITS):
                skipped[split] = write_shards(
                    form.samples(raw, split),
                    folder / split,
                    dataset=dataset,
                    split=split,
                    shape=chosen.shape,
                    shard_size=chosen.shard_size,
                    classes=form.classes(raw),
                    encoding=chosen.encoding,
                    conditions=components_of(Condition, chosen.conditions, f"datasets.{dataset}.conditions"),
                    attributes=source.attributes(form),
                    scene=partial(source.scene, form, split),
                    resize=chosen.resize,
                    processes=experiment.compute.threads,
                    max_corrupt=chosen.max_corrupt,
                    resume_folder=resume_folder / split,
                    total=counts.get(split),
                )
        except BadArchive as bad:
            raise source.told(bad) from None
    discard_scratch("shard", name)
    form.discard(raw)
