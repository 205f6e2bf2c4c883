"""What decides the bytes of each stage's outputs: parameters of params.yaml, modules of this package, and packages."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pydantic import BaseModel

from ganflow.components import choices
from ganflow.config import Experiment
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


def _download(experiment: Experiment, device: str, name: str) -> Recipe:
    dataset = experiment.datasets[name]
    used = choices(dataset, f"datasets.{name}", ("format", "source"))
    chosen = {key: (module, found) for key, module, found in used}
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
    parameters |= {"shape": list(dataset.shape)}
    chosen = list(choices(dataset, f"datasets.{name}", ("format", "conditions")))
    modules = tuple(module for _, module, _ in chosen)
    if any(getattr(found, "needs_scene", False) for _, _, found in chosen):
        drawn = _download(experiment, device, name)
        return Recipe(parameters | {"drawn": drawn.parameters}, (*modules, *drawn.components), IMAGES)
    return Recipe(parameters, modules, IMAGES)


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
