"""Interfaces of methods: a method declares its data and builds a model, with modules, players that train them, exports,
and charts of its journal. The training loop runs any model and has no branch on the method.
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn, optim

from ganflow.components import Component, component, component_class, names
from ganflow.config import Choice, Training, Variant
from ganflow.data.interfaces import Condition
from ganflow.errors import UserError
from ganflow.methods.draws import SAMPLES, Draws
from ganflow.networks.building import Blueprint, network_of
from ganflow.networks.codes import codes
from ganflow.networks.interfaces import Network, Shape

Values = dict[str, Tensor]  # scalars for the journal, by column


class Optimizer(Component):
    """An optimiser with its settings."""

    folder: ClassVar = "methods.optimizers"
    about: ClassVar[str]  # a phrase for the table in the docs
    lr: float = Field(gt=0, description="learning rate")
    decay: Literal["none", "linear"] = Field(
        "none", description="linear: the learning rate decreases linearly, to 0 after the last iteration"
    )

    @abstractmethod
    def build(self, parameters: Iterable[nn.Parameter], player: str) -> optim.Optimizer:
        """The optimiser of a player's parameters."""

    def rate(self, iteration: int, iterations: int) -> float:
        """The learning rate of an iteration, from 0."""
        return self.lr * (1 - iteration / iterations) if self.decay == "linear" else self.lr


@dataclass(frozen=True)
class Player:
    """One loss and the modules that are trained on it.

    `loss` takes a step's `Draws` and returns the loss and values for the journal; `repeat` returns the number of steps
    in an iteration; `before` and `after` run around each step.
    """

    name: str
    trains: tuple[str, ...]  # names of modules
    loss: Callable[[Draws], tuple[Tensor, Values]]
    optimizer: Optimizer
    repeat: Callable[[int], int] = lambda iteration: 1
    roles: tuple[str, ...] = ()  # data of which each step uses one batch
    batches: int = 1  # size of the step, in batches
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Translation:
    """What a module makes images from, and which images it should make: names of conditions, or `samples`."""

    source: str
    target: str
    where: Mapping[str, str] = field(default_factory=dict)  # {attribute: value} of what it translates; empty: all

    @property
    def as_json(self) -> dict[str, Any]:
        """For a file of weights."""
        return {"source": self.source, "target": self.target, "where": dict(self.where)}


@dataclass(frozen=True)
class Export:
    """A module that is saved as <name>.safetensors, with its input, its output and how to rebuild it."""

    module: nn.Module
    blueprint: Blueprint
    takes: Literal["latent", "samples", "latent and images"]
    gives: Literal["samples", "latent", "scores"]
    averaged: bool = False  # has a moving average, if params.yaml sets `ema`
    scale: float = 1.0  # from the module's output to [-1, 1]
    translation: Translation | None = None  # of one that takes images


@dataclass(frozen=True)
class Chart:
    """A line chart of a journal column. Columns with the same `axis` share a plot.

    `figure` is "losses", "estimates", "gradients" or "codes"; `level` is a reference value, shown as a horizontal line.
    """

    column: str
    figure: str
    axis: str
    title: str
    label: str
    level: float | None = None
    series: str = ""  # in the legend; empty: the variant's name
    dotted: bool = False


@dataclass(frozen=True)
class Grid:
    """An additional image grid, made after training from held-out data: `make` returns images, row by row."""

    name: str
    title: str
    caption: str
    columns: int
    make: Callable[[nn.Module, Draws], Tensor]  # gets the scored module


class Model(ABC):
    """What a method trains in one run."""

    modules: dict[str, nn.Module]
    players: tuple[Player, ...]  # in the order of their steps in an iteration
    exports: dict[str, Export]
    charts: tuple[Chart, ...]
    summary: tuple[str, ...]  # names of its parts, for tables
    held_out_loss: str  # journal column of the loss on held-out data
    scored: str = "generator"  # the export that makes samples; also saved during training, for scores over training
    latent: int  # dimension of the standard normal vectors that it takes
    state: Mapping[str, Tensor] = MappingProxyType({})  # further tensors of a checkpoint; changed in place
    grids: tuple[Grid, ...] = ()
    metric_names: Mapping[str, str] = MappingProxyType(
        {}
    )  # names of journal columns in MLflow, which compares runs by name
    classes: int = 0  # number of classes that samples are conditioned on
    roles: Mapping[str, Mapping[str, str]] = MappingProxyType(
        {SAMPLES: MappingProxyType({})}
    )  # {role: {attribute: value} of its samples}

    @abstractmethod
    def validation(self, draws: Draws) -> Values:
        """Means over a batch of either split, under names that begin with `validation_`; networks are in evaluation
        mode, but batch normalisation uses the batch's statistics."""

    def monitor(self, held_out: Sequence[Draws]) -> dict[str, float]:
        """Journal values from all batches of held-out data."""
        return means(held_out, self.validation)

    def flags(self, journal: Sequence[Mapping[str, float]]) -> list[str]:
        """Sentences on what in a finished journal, {column: value} a row, contradicts the labels of its charts."""
        return []

    def sample(self, module: nn.Module, draws: Draws, labels: Tensor) -> Tensor:
        """Samples in [-1, 1], or points, by the scored module; labels (n,) int64 are used if there are `classes`, and
        a batch of the draws if it translates."""
        latent = draws.normal("latent", (draws.size, self.latent))
        return module(codes(latent, labels, self.classes)).float() * self.exports[self.scored].scale

    def diagnostics(self, real: Tensor, samples: Tensor, lattice: Tensor | None) -> dict[str, Tensor]:
        """Tensors for a plot of points: real (m, d), samples (n, d) and, for d <= 2, a lattice (l, d)."""
        return {}


@dataclass(frozen=True)
class Task:
    """A variant on a dataset, as known before there is any data; `dataset` is its key for messages."""

    name: str
    variant: Variant
    training: Training
    shape: Shape  # of a stored sample
    labelled: bool = True
    dataset: str = "the dataset"
    conditions: Mapping[str, Condition] = field(default_factory=dict)  # what accompanies the images

    @property
    def key(self) -> str:
        """The key of the method's settings in params.yaml."""
        return ".".join(filter(None, [f"variants.{self.name}", self.variant.method_key]))

    def optimizer(self, player: str) -> Optimizer:
        """The optimiser of a player; raises UserError for an unknown one or wrong settings."""
        if player in self.variant.optimizers:
            return component(Optimizer, self.variant.optimizers[player], f"variants.{self.name}.optimizers.{player}")
        return component(Optimizer, self.variant.optimizer, f"variants.{self.name}.optimizer")

    def refuse(self, *keys: str) -> None:
        """Raises UserError if one of these keys of the training section, which the method does not use, is set."""
        for key in keys:
            if (value := getattr(self.training, key)) != Training.model_fields[key].default:
                raise UserError(
                    f"params.yaml: variants.{self.name}: training.{key} = {value!r}: is not used by the method "
                    f"{self.variant.method.name!r}; remove it"
                )


@dataclass(frozen=True)
class Data:
    """What a model gets of its training data when it is built."""

    classes: int
    first: Callable[[int], np.ndarray]  # the first n samples, as stored, repeated if there are fewer


class Method(Component):
    """A way to train a model, with its settings."""

    folder: ClassVar = "methods.recipes"
    about: ClassVar[str]  # a phrase for the table in the docs
    players: ClassVar[tuple[str, ...]]  # names, for separate optimisers
    family: ClassVar[type[Network]] = Network  # the kind of networks that it trains

    def check(self, task: Task) -> None:
        """Raises UserError for an invalid combination of settings."""

    @abstractmethod
    def build(self, task: Task, data: Data, seed: int, device: str) -> Model:
        """The model with initial weights on a device."""

    def network(self, task: Task, choice: Choice, where: str) -> Network:
        """The network family of a choice; raises UserError if it is not for the task's samples, or if this method does
        not train it."""
        network = network_of(choice, task.shape, where)
        if isinstance(network, self.family) and (self.family is not Network or not network.specialised):
            return network
        wrong = f"params.yaml: {where} = {choice.name!r}:"
        if network.specialised:
            kinds = {name: component_class(Method, name, where).family for name in names(Method)}
            own = [name for name, kind in kinds.items() if kind is not Network and isinstance(network, kind)]
            listed = ", ".join(map(repr, own))
            told = "the method" if len(own) == 1 else "the methods"
            write = f"`method: {own[0]}`" if len(own) == 1 else "one of them as `method`"
            raise UserError(f"{wrong} is trained by {told} {listed} alone; write {write}, or choose another network")
        own = [name for name in names(Network) if issubclass(component_class(Network, name, where), self.family)]
        raise UserError(f"{wrong} the method {task.variant.method.name!r} does not train it; choose {' or '.join(own)}")


def means(held_out: Sequence[Draws], values: Callable[[Draws], Values]) -> dict[str, float]:
    """Means of values over batches, weighted by size."""
    count = sum(draws.size for draws in held_out)
    found = [values(draws) for draws in held_out]
    totals: dict[str, float] = defaultdict(float)
    for draws, row in zip(held_out, to_host(found), strict=True):
        for name, value in row.items():
            totals[name] += value * draws.size / count
    return totals


def to_host(rows: Sequence[Values]) -> list[dict[str, float]]:
    """Scalars on a device as numbers, exactly, in one copy, for which the host waits."""
    values = [value.double() for row in rows for value in row.values()]
    numbers = iter(torch.stack(values).tolist() if values else ())
    return [{name: next(numbers) for name in row} for row in rows]


def loss_charts(column: str, variant: str, label: str, level: float | None = None) -> tuple[Chart, Chart]:
    """The charts of a loss on training samples (`training_<column>`) and as many held-out ones (`validation_<column>`),
    in one plot per variant."""
    return (
        Chart(f"training_{column}", "losses", variant, variant, label, level, "training data"),
        Chart(f"validation_{column}", "losses", variant, variant, label, level, "held-out data", dotted=True),
    )


def on_device(device: str, modules: dict[str, nn.Module]) -> dict[str, nn.Module]:
    """Moves modules to a device, channels last in memory, which is 1.5 times as fast on a CPU."""
    return {name: module.to(device).to(memory_format=torch.channels_last) for name, module in modules.items()}
