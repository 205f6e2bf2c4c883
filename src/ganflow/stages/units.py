"""Units of work: every stage applied to every dataset, variant and seed of params.yaml, and the digest that says when
one must be done again: over its resolved parameters, the source of every module that it runs, and the versions that
decide bytes.

The modules are the import closure of the stage and of the components its parameters name (grimp, import-linter's own
library, reads it from the source), so a new network or an edited figure changes no training run.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import grimp

import ganflow
from ganflow.artifacts import digest_file, digest_value, versions
from ganflow.components import choices, component
from ganflow.config import Choice, Experiment
from ganflow.data.interfaces import Format, Source
from ganflow.errors import UserError

RAW, SHARDS, REFERENCE, RESULTS = Path("data/raw"), Path("data/shards"), Path("data/reference"), Path("results")
EXTRACTOR, FEATURES = Path("data/extractor"), Path("data/features")
PACKAGE = Path(ganflow.__file__).parent
PICTURES = ("numpy", "pillow", "lmdb")
SCIENCE = ("numpy", "pillow", "safetensors", "torch")
FIGURES = ("numpy", "pillow", "matplotlib", "jinja2")
JUDGING = ("torch-fidelity", "torchvision", "efficientnet-lite-pytorch")  # by features


@dataclass(frozen=True)
class Unit:
    """One stage for one dataset, variant and seed, with all that params.yaml and the source say about it."""

    stage: str
    axes: tuple[str, ...]
    inputs: tuple[Path, ...]  # folders, each with a manifest
    output: Path  # folder
    parameters: dict[str, Any]
    components: tuple[str, ...]
    packages: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join([self.stage, *self.axes])

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the packages that decide the bytes of this unit's outputs."""
        return versions(*self.packages)

    @property
    def code(self) -> dict[str, str]:
        """{module: sha256 of its source} for everything of this package that the unit runs."""
        roots = [f"ganflow.stages.{self.stage}", *self.components]
        modules = set(roots).union(*(_imports().find_upstream_modules(root) for root in roots))
        parents = {module.rsplit(".", level)[0] for module in modules for level in range(1, module.count(".") + 1)}
        return {module: _source_digest(module) for module in sorted(modules | parents)}

    @property
    def digest(self) -> str:
        """Changes when, and only when, the unit would have to be done again on the same inputs."""
        about = {"parameters": self.parameters, "code": self.code, "versions": self.versions}
        return digest_value({"unit": [self.stage, *self.axes], **about})


def units(experiment: Experiment, device: str) -> Iterator[Unit]:
    """All units of an experiment on a kind of device, in an order in which they can be done."""
    yield _extractor(experiment)
    for dataset in experiment.datasets:
        yield from (_download(experiment, dataset), _shard(experiment, dataset))
        yield from (_extract(experiment, dataset, device), _reference(experiment, dataset))
    for run in experiment.runs:
        yield _train(experiment, *run, device)
        yield _generate(experiment, *run, device)
        yield _evaluate(experiment, *run, device)
    yield _studies(experiment)
    yield _report(experiment)


def unit_of(experiment: Experiment, device: str, stage: str, *axes: str) -> Unit:
    """One unit by its stage and axes; raises UserError if params.yaml names no such unit."""
    found = {unit.axes: unit for unit in units(experiment, device) if unit.stage == stage}
    if axes not in found:
        known = "; ".join(" ".join(known) for known in found)
        raise UserError(f"params.yaml: there is no {stage} {' '.join(axes)}; there is: {known}")
    return found[axes]


def _download(experiment: Experiment, name: str) -> Unit:
    dataset = experiment.datasets[name]
    form = component(Format, Choice(name=dataset.format), f"datasets.{name}.format")
    source = component(Source, dataset.source, f"datasets.{name}.source")
    parameters = dataset.model_dump(mode="json", include={"format", "source"})
    used = (
        _module("data.formats", dataset.format),
        _module("data.sources", dataset.source.name),
        *source.modules(form),
    )
    return Unit("download", (name,), (), RAW / name, parameters, used, PICTURES)


def _shard(experiment: Experiment, name: str) -> Unit:
    dataset = experiment.datasets[name]
    parameters = dataset.model_dump(mode="json", exclude={"source"})
    used = (_module("data.formats", dataset.format),)
    return Unit("shard", (name,), (RAW / name,), SHARDS / name, parameters, used, PICTURES)


def _extractor(experiment: Experiment) -> Unit:
    parameters = experiment.evaluation.model_dump(mode="json", include={"extractor"})
    return Unit("extractor", (), (), EXTRACTOR, parameters, _extractors(experiment), ("torch",))


def _extract(experiment: Experiment, dataset: str, device: str) -> Unit:
    parameters = experiment.evaluation.model_dump(mode="json", include={"extractor"}) | _compute(experiment, device)
    parameters |= {"real_images": experiment.evaluation.most_real}
    inputs, packages = (EXTRACTOR, SHARDS / dataset), _judges(experiment, dataset)
    return Unit("extract", (dataset,), inputs, FEATURES / dataset, parameters, _extractors(experiment), packages)


def _reference(experiment: Experiment, dataset: str) -> Unit:
    evaluation = experiment.evaluation
    parameters = evaluation.model_dump(mode="json", include={"metrics", "extractor"})
    parameters |= {"real_images": evaluation.most_real, "format": experiment.datasets[dataset].format}
    parameters |= {"threads": experiment.compute.threads}
    inputs = (EXTRACTOR, SHARDS / dataset, FEATURES / dataset)
    used, packages = _metrics(experiment) + _extractors(experiment), _judges(experiment, dataset)
    return Unit("reference", (dataset,), inputs, REFERENCE / dataset, parameters, used, packages)


def _train(experiment: Experiment, dataset: str, variant: str, seed: int, device: str) -> Unit:
    chosen = experiment.variants[variant]
    parameters = chosen.model_dump(mode="json", exclude={"training", "datasets"}) | _compute(experiment, device)
    parameters |= {"training": experiment.training_of(variant).model_dump(mode="json"), "seed": seed}
    used = tuple(module for _, module, _ in choices(chosen))
    axes = (dataset, variant, str(seed))
    return Unit(
        "train", axes, (SHARDS / dataset,), _runs(experiment, *axes), parameters, used, _sciences(experiment, dataset)
    )


def _generate(experiment: Experiment, dataset: str, variant: str, seed: int, device: str) -> Unit:
    evaluation = experiment.evaluation
    parameters = evaluation.model_dump(mode="json", exclude={"metrics"}) | _compute(experiment, device)
    used = (_module("networks.families", experiment.variants[variant].network.name), *_extractors(experiment))
    if evaluation.curve:
        used += (_module("evaluation.metrics", evaluation.curve.metric.name),)
    axes = (dataset, variant, str(seed))
    inputs = (EXTRACTOR, SHARDS / dataset, FEATURES / dataset, _runs(experiment, *axes))
    packages = _judges(experiment, dataset)
    return Unit("generate", axes, inputs, _generated(experiment, *axes), parameters, used, packages)


def _evaluate(experiment: Experiment, dataset: str, variant: str, seed: int, device: str) -> Unit:
    parameters = experiment.evaluation.model_dump(mode="json") | _compute(experiment, device)
    used = (_module("networks.families", experiment.variants[variant].network.name), *_metrics(experiment))
    used += _extractors(experiment)
    axes = (dataset, variant, str(seed))
    inputs = (EXTRACTOR, SHARDS / dataset, FEATURES / dataset, REFERENCE / dataset)
    inputs += (_runs(experiment, *axes), _generated(experiment, *axes))
    return Unit("evaluate", axes, inputs, _scores(experiment, *axes), parameters, used, _judges(experiment, dataset))


def _studies(experiment: Experiment) -> Unit:
    parameters: dict[str, Any] = {"studies": [study.model_dump(mode="json") for study in experiment.studies]}
    if experiment.studies:
        parameters |= {"threads": experiment.compute.threads}
    used = tuple(_module("studies.cases", study.name) for study in experiment.studies)
    packages = (*SCIENCE, "pot", "scipy") if used else ()
    return Unit("studies", (), (), _studied(experiment), parameters, used, packages)


def _studied(experiment: Experiment) -> Path:
    return RESULTS / experiment.experiment / "studies"


def _report(experiment: Experiment) -> Unit:
    parameters = {
        "experiment": experiment.experiment,
        "datasets": {
            name: {"format": dataset.format, "source": dataset.source.name, "resolution": dataset.resolution}
            for name, dataset in experiment.datasets.items()
        },
        "variants": list(experiment.variants),
        "seeds": list(experiment.seeds),
        "studies": [study.name for study in experiment.studies],
    }
    inputs = tuple(
        place(experiment, run.dataset, run.variant, str(run.seed))
        for run in experiment.runs
        for place in (_runs, _generated, _scores)
    ) + (_studied(experiment),)
    return Unit("report", (), inputs, RESULTS / experiment.experiment / "report", parameters, (), FIGURES)


def _runs(experiment: Experiment, *axes: str) -> Path:
    return RESULTS.joinpath(experiment.experiment, "runs", *axes)


def _generated(experiment: Experiment, *axes: str) -> Path:
    return RESULTS.joinpath(experiment.experiment, "generated", *axes)


def _scores(experiment: Experiment, *axes: str) -> Path:
    return RESULTS.joinpath(experiment.experiment, "scores", *axes)


def _compute(experiment: Experiment, device: str) -> dict[str, Any]:
    return {"compute": {"threads": experiment.compute.threads, "device": device}}


def _sciences(experiment: Experiment, dataset: str) -> tuple[str, ...]:
    """What decides the bytes of trainings and scores; exact transport is computed between points alone."""
    return SCIENCE if experiment.datasets[dataset].dimension is None else (*SCIENCE, "pot")


def _judges(experiment: Experiment, dataset: str) -> tuple[str, ...]:
    """What decides the bytes of checks and scores."""
    return (*_sciences(experiment, dataset), "scipy", *(JUDGING if experiment.evaluation.extractor else ()))


def _extractors(experiment: Experiment) -> tuple[str, ...]:
    chosen = experiment.evaluation.extractor
    return (_module("evaluation.extractors", chosen.name),) if chosen else ()


def _metrics(experiment: Experiment) -> tuple[str, ...]:
    return tuple(_module("evaluation.metrics", metric.name) for metric in experiment.evaluation.metrics)


def _module(package: str, name: str) -> str:
    module = f"ganflow.{package}.{name}"
    if module not in _imports().modules:
        raise UserError(f"params.yaml: {name!r}: there is no src/{module.replace('.', '/')}.py")
    return module


@cache
def _imports() -> grimp.ImportGraph:
    return grimp.build_graph("ganflow", cache_dir=None)


@cache
def _source_digest(module: str) -> str:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return digest_file(path / "__init__.py" if path.is_dir() else path.with_suffix(".py"))
