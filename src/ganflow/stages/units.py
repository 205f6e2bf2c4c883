"""Units of work: every stage applied to the datasets and runs of params.yaml.

A unit is done again when its digest changes (ganflow.stages.digests), or the content of one of its inputs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ganflow.artifacts import MANIFEST, content_digest, digest_file, digest_value, versions
from ganflow.config import Experiment
from ganflow.errors import UserError
from ganflow.stages.digests import code_of
from ganflow.stages.graph import STAGES, Stage
from ganflow.stages.recipes import RECIPES, Recipe


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
