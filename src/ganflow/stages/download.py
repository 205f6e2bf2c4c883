"""download: fetches the official archives of a dataset, or makes synthetic ones in the same formats."""

from ganflow.components import component
from ganflow.config import Choice, Experiment
from ganflow.data.faults import BadArchive
from ganflow.data.interfaces import Format, Source
from ganflow.stages.execution import device_of, outputs
from ganflow.stages.units import unit_of


def run(experiment: Experiment, dataset: str) -> None:
    """Writes data/raw/<dataset>: the format's archives, verified, and a manifest."""
    unit = unit_of(experiment, device_of(experiment), "download", dataset)
    chosen = experiment.datasets[dataset]
    form = component(Format, Choice(name=chosen.format), f"datasets.{dataset}.format")
    source = component(Source, chosen.source, f"datasets.{dataset}.source")
    digests: dict[str, str] = {}
    with outputs(unit, known=digests) as folder:
        try:
            digests.update(source.provide(form, folder))
        except BadArchive as bad:
            raise source.told(bad) from None
