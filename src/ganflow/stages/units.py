"""Units of work: every stage applied to the datasets and runs of params.yaml, and what decides the bytes of each.

A unit is done again when its digest changes (ganflow.stages.digests), or the content of one of its inputs.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pydantic import BaseModel

from ganflow.artifacts import MANIFEST, content_digest, digest_file, digest_value, versions
from ganflow.components import choices
from ganflow.config import Experiment
from ganflow.errors import UserError
from ganflow.stages.digests import code_of
from ganflow.stages.graph import STAGES, Stage
from ganflow.stages.sections import evaluation_for

if TYPE_CHECKING:
    from ganflow.data.interfaces import Format, Source

IMAGES = ("numpy", "pillow", "lmdb")
SCIENCE = ("numpy", "pillow", "safetensors", "torch")
FIGURES = ("numpy", "pillow", "matplotlib", "jinja2")
FEATURES = ("torch-fidelity", "torchvision", "efficientnet-lite-pytorch")


class Recipe(NamedTuple):
    """What decides the bytes of a unit's outputs, besides its inputs; without components, no code does."""

    parameters: dict[str, Any]
    components: tuple[str, ...] = ()  # modules that it runs beyond those it imports
    packages: tuple[str, ...] = ()
    by_code: bool = True  # false: the parameters name every byte


@dataclass(frozen=True)
class Unit:
    """One stage for one dataset, variant and seed, with all that params.yaml and the source say about it."""

    kind: Stage
    axes: tuple[str, ...]
    inputs: tuple[Path, ...]  # folders, each with a manifest
    output: Path  # folder
    recipe: Recipe

    def __str__(self) -> str:
        return " ".join([self.stage, *self.axes])

    @property
    def stage(self) -> str:
        return self.kind.name

    @property
    def parameters(self) -> dict[str, Any]:
        """What params.yaml says, resolved."""
        return self.recipe.parameters

    @cached_property
    def versions(self) -> dict[str, str]:
        """Versions of the packages that decide the bytes of this unit's outputs."""
        return versions(*self.recipe.packages)

    @cached_property
    def code(self) -> dict[str, str]:
        """{module: digest of what it does} for everything of this package that decides the bytes of its outputs."""
        return code_of([f"ganflow.stages.{self.stage}", *self.recipe.components]) if self.recipe.by_code else {}

    @cached_property
    def digest(self) -> str:
        """Changes when, and only when, the unit would have to be done again on the same inputs."""
        about = {"parameters": self.parameters, "code": self.code, "versions": self.versions}
        return digest_value({"unit": [self.stage, *self.axes], **about})

    def input_digests(self) -> dict[str, str]:
        """{folder: digest of its content} of the inputs; raises UserError if one is not there or not finished."""
        found = {folder.as_posix(): content_digest(folder) for folder in self.inputs}
        return {f: digest_file(Path(f) / MANIFEST) for f in found} if self.kind.reads_manifests else found


def units(experiment: Experiment, device: str) -> Iterator[Unit]:
    """All units of an experiment on a kind of device, in an order in which they can be done."""
    for stage in STAGES.values():
        for axes in applied(stage, experiment):
            yield _unit(experiment, device, stage, axes)


def unit_of(experiment: Experiment, device: str, stage: str, *axes: str) -> Unit:
    """One unit by its stage and axes; raises UserError if params.yaml names no such unit."""
    known = applied(STAGES[stage], experiment)
    if axes not in known:
        names = "; ".join(" ".join(other) for other in known)
        raise UserError(f"params.yaml: there is no {stage} {' '.join(axes)}; there is: {names}")
    return _unit(experiment, device, STAGES[stage], axes)


def applied(stage: Stage, experiment: Experiment) -> list[tuple[str, ...]]:
    """The values of a stage's axes in an experiment."""
    match stage.axes:
        case ():
            return [()]
        case ("dataset",):
            return [(dataset,) for dataset in experiment.datasets]
        case _:
            return [(run.dataset, run.variant, str(run.seed)) for run in experiment.runs]


def _unit(experiment: Experiment, device: str, stage: Stage, axes: tuple[str, ...]) -> Unit:
    return Unit(
        stage,
        axes,
        tuple(_inputs(experiment, stage, axes)),
        stage.folder(experiment.experiment, *axes),
        RECIPES[stage.name](experiment, device, *axes),
    )


def _inputs(experiment: Experiment, stage: Stage, axes: tuple[str, ...]) -> Iterator[Path]:
    """The outputs of the stages before for the same axes, or for all where they have more."""
    at = dict(zip(stage.axes, axes, strict=True))
    for name in stage.inputs:
        before = STAGES[name]
        wanted = (
            [tuple(at[axis] for axis in before.axes)] if at.keys() >= set(before.axes) else applied(before, experiment)
        )
        yield from (before.folder(experiment.experiment, *found) for found in wanted)


def _download(experiment: Experiment, device: str, name: str) -> Recipe:
    dataset = experiment.datasets[name]
    chosen = {key: (module, found) for key, module, found in choices(dataset, f"datasets.{name}")}
    form = cast("Format", chosen[f"datasets.{name}.format"][1])
    source = cast("Source", chosen[f"datasets.{name}.source"][1])
    parameters = dataset.model_dump(mode="json", include={"format", "source"})
    if archives := source.named(form):
        return Recipe(parameters | {"archives": archives}, by_code=False)
    parameters |= {"arithmetic": experiment.compute.arithmetic}
    return Recipe(parameters, (*(module for module, _ in chosen.values()), *source.modules(form)), IMAGES)


def _shard(experiment: Experiment, device: str, name: str) -> Recipe:
    dataset = experiment.datasets[name]
    parameters = dataset.model_dump(mode="json", exclude={"source", "resolution", "dimension"})
    return Recipe(parameters | {"shape": list(dataset.shape)}, _chosen(f"datasets.{name}", dataset, "format"), IMAGES)


def _extractor(experiment: Experiment, device: str) -> Recipe:
    evaluation = experiment.evaluation
    parameters = evaluation.model_dump(mode="json", include={"extractor"})
    return Recipe(parameters, _chosen("evaluation", evaluation, "extractor"), ("torch",))


def _extract(experiment: Experiment, device: str, dataset: str) -> Recipe:
    evaluation = evaluation_for(experiment, dataset)
    parameters = evaluation.model_dump(mode="json", include={"extractor"}) | _compute(experiment, device)
    parameters |= {"real_images": evaluation.max_real_images}
    return Recipe(parameters, _chosen("evaluation", evaluation, "extractor"), _scoring(experiment, dataset))


def _reference(experiment: Experiment, device: str, dataset: str) -> Recipe:
    evaluation = evaluation_for(experiment, dataset)
    parameters = evaluation.model_dump(mode="json", include={"metrics", "extractor"})
    parameters |= {"real_images": evaluation.max_real_images, "format": experiment.datasets[dataset].format}
    parameters |= _host(experiment) | ({} if device == "cpu" else {"device": device})
    return Recipe(parameters, _chosen("evaluation", evaluation, "metrics", "extractor"), _scoring(experiment, dataset))


def _train(experiment: Experiment, device: str, dataset: str, variant: str, seed: str) -> Recipe:
    chosen = experiment.variants[variant]
    parameters = chosen.model_dump(mode="json", exclude={"training", "datasets"}) | _compute(experiment, device)
    parameters |= {"training": experiment.training_of(variant).model_dump(mode="json"), "seed": int(seed)}
    return Recipe(parameters, _chosen(f"variants.{variant}", chosen), _computing(experiment, dataset))


def _generate(experiment: Experiment, device: str, dataset: str, variant: str, seed: str) -> Recipe:
    evaluation = evaluation_for(experiment, dataset)
    parameters = evaluation.model_dump(mode="json", exclude={"metrics"}) | _compute(experiment, device)
    used = _networks(experiment, variant) + _chosen("evaluation", evaluation, "extractor", "curve")
    return Recipe(parameters, used, _scoring(experiment, dataset))


def _evaluate(experiment: Experiment, device: str, dataset: str, variant: str, seed: str) -> Recipe:
    evaluation = evaluation_for(experiment, dataset)
    parameters = evaluation.model_dump(mode="json") | _compute(experiment, device)
    used = _networks(experiment, variant) + _chosen("evaluation", evaluation, "extractor", "metrics")
    return Recipe(parameters, used, _scoring(experiment, dataset))


def _studies(experiment: Experiment, device: str) -> Recipe:
    parameters: dict[str, Any] = {"studies": [study.model_dump(mode="json") for study in experiment.studies]}
    if not experiment.studies:
        return Recipe(parameters)
    used = tuple(f"ganflow.studies.cases.{study.name}" for study in experiment.studies)
    return Recipe(parameters | _host(experiment), used, (*SCIENCE, "pot", "scipy"))


def _report(experiment: Experiment, device: str) -> Recipe:
    parameters = {
        "experiment": experiment.experiment,
        "datasets": {
            name: {"format": dataset.format, "source": dataset.source.name, "resolution": dataset.resolution}
            for name, dataset in experiment.datasets.items()
        },
        "variants": list(experiment.variants),
        "seeds": list(experiment.seeds),
        "studies": [study.name for study in experiment.studies],
        "arithmetic": experiment.compute.arithmetic,
    }
    return Recipe(parameters, (), FIGURES)


def _chosen(where: str, model: BaseModel, *keys: str) -> tuple[str, ...]:
    """The modules of all components that a section of params.yaml chooses by name, or of those under some keys."""
    return tuple(module for _, module, _ in choices(model, where, keys))


def _networks(experiment: Experiment, variant: str) -> tuple[str, ...]:
    """The modules that build what a training exports."""
    used = _chosen(f"variants.{variant}", experiment.variants[variant])
    return tuple(module for module in used if module.startswith("ganflow.networks."))


def _compute(experiment: Experiment, device: str) -> dict[str, Any]:
    return {"compute": experiment.compute.model_dump(mode="json") | {"device": device}}


def _host(experiment: Experiment) -> dict[str, Any]:
    """What decides the bits of work on the CPU."""
    return experiment.compute.model_dump(mode="json", include={"threads", "arithmetic"})


def _computing(experiment: Experiment, dataset: str) -> tuple[str, ...]:
    """What decides the bytes of trainings; exact transport is computed between points alone."""
    return SCIENCE if experiment.datasets[dataset].dimension is None else (*SCIENCE, "pot")


def _scoring(experiment: Experiment, dataset: str) -> tuple[str, ...]:
    """What decides the bytes of checks and scores."""
    return (
        *_computing(experiment, dataset),
        "scipy",
        *(FEATURES if evaluation_for(experiment, dataset).extractor else ()),
    )


RECIPES: dict[str, Callable[..., Recipe]] = {
    "download": _download,
    "shard": _shard,
    "extractor": _extractor,
    "extract": _extract,
    "reference": _reference,
    "train": _train,
    "generate": _generate,
    "evaluate": _evaluate,
    "studies": _studies,
    "report": _report,
}
