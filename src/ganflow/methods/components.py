"""The components of adversarial methods: objectives, constraints on a network, and conditioning on classes.

Scores are the critic's outputs, shape (n,), unbounded; losses are minimised; expectations are means over the batch.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from ganflow.components import Component
from ganflow.methods.draws import Draws
from ganflow.methods.interfaces import Values
from ganflow.methods.piecewise_linear import InputGradient
from ganflow.networks.interfaces import Network


@dataclass(frozen=True)
class Score:
    """A critic's score as a function of samples: images (n, 3, H, W), or points (n, d), to scores (n,)."""

    function: Callable[[Tensor], Tensor]
    gradient_in_input: InputGradient = field(default_factory=InputGradient)

    def __call__(self, samples: Tensor) -> Tensor:
        return self.function(samples)

    def gradient(self, samples: Tensor) -> Tensor:
        """The gradient of each score in its sample, differentiable in the critic's weights."""
        return self.gradient_in_input(self.function, samples)


class Legend(NamedTuple):
    """Names, formulas and ranges of an objective's values, for figures."""

    estimate: str  # the distance that the scores estimate
    formula: str  # of the estimate
    smallest: float | None  # the distance's range
    largest: float | None
    critic_loss: str  # formula, without penalty
    chance_loss: float  # the smallest critic loss of a critic that does not depend on its input


class Objective(Component):
    """What critic and generator minimise."""

    folder: ClassVar = "methods.objectives"
    needs_lipschitz: ClassVar[bool] = False  # whether only a Lipschitz constraint gives the critic's loss an optimum
    probability: ClassVar[bool] = False  # whether the sigmoid of the score is the probability of "real"
    formula: ClassVar[str]  # critic's loss; generator's loss, for the table in the docs
    source: ClassVar[str]  # paper and equation

    @property
    def threshold(self) -> float | None:
        """Scores above it classify a sample as real; None if scores do not classify."""
        return 0.0

    @property
    @abstractmethod
    def legend(self) -> Legend:
        """Names, formulas and ranges for figures."""

    @abstractmethod
    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """The critic's loss from scores of real and generated samples."""

    @abstractmethod
    def generator_loss(self, fake: Tensor) -> Tensor:
        """The generator's loss from scores of generated samples."""

    @abstractmethod
    def estimate(self, real: Tensor, fake: Tensor) -> Tensor:
        """The estimated distance between both distributions; larger is farther."""


class Optimum(ABC):
    """What the best Wasserstein critic under a constraint makes of the Wasserstein-1 distance W >= 0, in the units of
    the samples: its slope, and its estimate, slope times W."""

    @property
    @abstractmethod
    def formula(self) -> str:
        """The estimate as a function of W, for labels, as "W (1 + W / 20)"."""

    @property
    @abstractmethod
    def slope_formula(self) -> str:
        """The slope as a function of W, for labels, as "1 + W / 20"."""

    @abstractmethod
    def slope_at(self, distance: float) -> float:
        """The slope at a distance >= 0, at least 0."""

    @abstractmethod
    def distance_of(self, estimate: float) -> float:
        """The distance whose optimum has this estimate; a negative estimate, which no optimum has, as it is."""


class Constraint(Component):
    """Restricts a network by its weights or by a penalty; the default does nothing."""

    folder: ClassVar = "methods.constraints"
    estimates: ClassVar[str] = "K × W, K unknown"  # by a Wasserstein critic without an `optimum`, for labels
    for_generators: ClassVar[bool] = False  # whether it may constrain a generator too
    per_sample: ClassVar[bool] = False  # whether its penalty is defined for each sample, independent of the others
    bounds_scores: ClassVar[bool] = False  # whether it keeps scores too small for a sigmoid loss
    effect: ClassVar[str]  # a phrase for the table in the docs
    source: ClassVar[str]  # paper and equation

    def prepare(self, network: nn.Module, seed: int, name: str = "critic") -> None:
        """Prepares a network with initial weights; random numbers depend on seed and name."""

    def before_step(self, network: nn.Module) -> None:
        """Changes the weights before the gradients of an optimiser step are computed."""

    def after_step(self, network: nn.Module) -> None:
        """Changes the weights after an optimiser step."""

    def penalty(self, score: Score, real: Tensor, fake: Tensor, draws: Draws) -> tuple[Tensor, Values]:
        """A term added to the critic's loss, and values for the journal."""
        return real.new_zeros(()), {}

    def optimum(self) -> Optimum | None:
        """The best Wasserstein critic under this constraint alone; None without a formula for it."""
        return None

    def refusal(self, critic: Network, objective: Objective) -> str | None:
        """Why this constraint can't be combined with the critic's network or an objective; None if it can."""
        if self.per_sample and critic.critic_mixes_samples():
            return (
                "the penalty is defined for each sample, and batch normalisation in the critic mixes samples "
                "(WGAN-GP, section 4); set the network's critic_norm to none or layer"
            )
        if self.bounds_scores and not objective.needs_lipschitz:
            return (
                "it bounds the slope of a Wasserstein critic; the optimum of this objective needs scores of any size, "
                "as a sigmoid loss does, so the critic could not reach it"
            )
        return None


class Conditioning(Component):
    """How generator and critic are conditioned on classes; by default the critic's only output is its score.

    `classes` is their number: 0 without conditioning.
    """

    folder: ClassVar = "methods.conditionings"
    uses_labels: ClassVar[bool] = True
    critic_input: ClassVar[str] = "images"  # whose distributions an estimate compares
    effect: ClassVar[str]  # a phrase for the table in the docs

    def channels(self, own: int, classes: int) -> int:
        """Channels of the critic's input for samples with `own` channels: 3 of an image, d of a point."""
        return own

    def outputs(self, classes: int) -> int:
        """Number of the critic's outputs: the score, and those that `critic_loss` and `generator_loss` get."""
        return 1

    def critic_view(self, images: Tensor, labels: Tensor, classes: int) -> Tensor:
        """The critic's input, (n, channels, H, W) or (n, channels), for samples of these classes."""
        return images

    def critic_loss(self, real: Tensor, fake: Tensor, labels: Tensor) -> tuple[Tensor | float, Values]:
        """A term of the critic's loss, from its outputs after the score, (n, outputs - 1)."""
        return 0.0, {}

    def generator_loss(self, fake: Tensor, labels: Tensor) -> tuple[Tensor | float, Values]:
        """A term of the generator's loss."""
        return 0.0, {}
