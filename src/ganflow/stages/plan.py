"""plan: checks params.yaml against every component that it names, and writes one digest for each unit of work.

build/plan.json is what every other stage depends on: DVC and Snakemake run again exactly the units whose digest
changed.
"""

import shutil
from typing import Any

import torch

from ganflow.artifacts import write_json
from ganflow.components import component, components_of
from ganflow.config import Choice, Dataset, Experiment
from ganflow.data.interfaces import Condition, Format, Source
from ganflow.errors import UserError
from ganflow.evaluation.interfaces import curve_metric, extractor_of, metrics_of
from ganflow.methods.tasks import method_of, task_of
from ganflow.stages import runs
from ganflow.stages.execution import PLAN
from ganflow.stages.graph import RUN, STAGES
from ganflow.stages.sections import check_evaluation
from ganflow.stages.units import Unit, units
from ganflow.studies.interfaces import studies_of


def run(experiment: Experiment, cost: bool = False, for_dvc: bool = False) -> None:
    """Writes build/plan.json and workflow/runs.yaml and, if asked, says what is ahead and what it will `cost` in hours
    and disk.

    Raises UserError for a component, setting or pair that makes no sense, and, `for_dvc`, if the list of runs changed.
    """
    device, ahead = planned(experiment)
    (runs.check if for_dvc else runs.run)(experiment)
    write_json(PLAN, as_tree(device, ahead))
    set_aside(experiment, {unit.axes for unit in ahead})
    if cost:
        from ganflow.stages import cost as costing

        costing.run(experiment, device)


def planned(experiment: Experiment) -> tuple[str, list[Unit]]:
    """The kind of device and all units of an experiment.

    Raises UserError for a component, setting or pair that makes no sense.
    """
    device = experiment.compute.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("params.yaml: compute.device = 'cuda': torch finds no CUDA device here; set cpu or auto")
    _check_precision(experiment, device)
    forms = {key: _format(key, dataset) for key, dataset in experiment.datasets.items()}
    for dataset, variant in dict.fromkeys((run.dataset, run.variant) for run in experiment.runs):
        method_of(task_of(experiment, dataset, variant, forms[dataset].labelled))
    metrics_of(experiment.evaluation)
    if extractor := experiment.evaluation.extractor:
        extractor_of(extractor)
    if curve := experiment.evaluation.curve:
        curve_metric(curve)
    check_evaluation(experiment)
    studies_of(experiment.studies)
    return device, list(units(experiment, device))


def _check_precision(experiment: Experiment, device: str) -> None:
    for variant in experiment.variants:
        precision = experiment.training_of(variant).precision
        if (device, precision) == ("cpu", "tf32"):
            raise UserError(
                f"params.yaml: variants.{variant}: training.precision = 'tf32': TF32 is a number format of GPUs, and "
                "this experiment computes on a CPU; write float32, or `compute: {device: cuda}` on a machine with a GPU"
            )
        if (device, experiment.compute.arithmetic, precision) == ("cpu", "portable", "bfloat16"):
            raise UserError(
                f"params.yaml: variants.{variant}: training.precision = 'bfloat16': portable arithmetic on a CPU is "
                "float32; write float32, or `compute: {arithmetic: native}`"
            )


def _format(key: str, dataset: Dataset) -> Format:
    """A dataset's format; raises UserError where format, source and shape of the samples don't fit."""
    form = component(Format, Choice(name=dataset.format), f"datasets.{key}.format")
    if form.points != (len(dataset.shape) == 1):
        kind, wrong, right = (
            ("points", "resolution", "dimension") if form.points else ("images", "dimension", "resolution")
        )
        raise UserError(
            f"params.yaml: datasets.{key}.{wrong}: the format {dataset.format!r} has {kind}; give `{right}` instead"
        )
    source = component(Source, dataset.source, f"datasets.{key}.source")
    if reason := source.refusal(form, dataset.shape):
        raise UserError(f"params.yaml: datasets.{key}.source = {dataset.source.name!r}: {reason}")
    _check_conditions(key, dataset, form, source)
    return form


def _check_conditions(key: str, dataset: Dataset, form: Format, source: Source) -> None:
    """Raises UserError for a condition that can't be made of a dataset's images."""
    where = f"datasets.{key}.conditions"
    if dataset.conditions and form.points:
        raise UserError(f"params.yaml: {where}: accompany images, and datasets.{key} are points; remove them")
    attributes = source.attributes(form)
    for name, condition in components_of(Condition, dataset.conditions, where).items():
        if condition.needs_scene and not attributes:
            raise UserError(
                f"params.yaml: {where}: {name}: is known of rendered images alone, and the source is "
                f"{dataset.source.name!r}; remove it"
            )
        if reason := condition.refusal(attributes, dataset.shape[0]):
            raise UserError(f"params.yaml: {where}: {name}: {reason}")


def as_tree(device: str, ahead: list[Unit]) -> dict[str, Any]:
    """The plan: one digest a unit, nested by stage and axes. It is JSON, for DVC parses it again for every stage."""
    digests: dict[str, Any] = {}
    for unit in sorted(ahead, key=lambda unit: (unit.stage, unit.axes)):
        *folders, last = unit.stage, *unit.axes
        node = digests
        for key in folders:
            node = node.setdefault(key, {})
        node[last] = unit.digest
    return {"device": device, "units": digests}


def set_aside(experiment: Experiment, named: set[tuple[str, ...]]) -> None:
    """Moves runs, and what was made of them, that params.yaml no longer names to results/<experiment>/retired.

    The report depends on whole folders of them, which must hold the same in every clone.
    """
    for stage in (stage for stage in STAGES.values() if stage.axes == RUN):
        top = stage.folder(experiment.experiment, "*", "*", "*").parents[2]
        for folder in sorted(top.glob("*/*/*")):
            axes = folder.relative_to(top).parts
            if axes not in named:
                retired = top.parent.joinpath("retired", top.name, *axes)
                shutil.rmtree(retired, ignore_errors=True)
                retired.parent.mkdir(parents=True, exist_ok=True)
                folder.replace(retired)
