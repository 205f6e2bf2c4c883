"""What a method is made of. An algorithm is data: modules, optimisers, and the ordered updates that a loop runs.

Scores are the critic's outputs, shape (n,), unbounded; losses are minimised; expectations are means over the batch.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field
from torch import Tensor, nn, optim

from ganflow.components import Component
from ganflow.networks.interfaces import Network

Values = dict[str, Tensor]  # what goes into the journal
Score = Callable[[Tensor], Tensor]  # images (n, 3, H, W), or points (n, d), to scores (n,)


def nothing() -> None:
    """What happens around an update that asks for nothing."""


@dataclass(frozen=True)
class Update:
    """One kind of step: which module it trains, on what loss, how often in iteration i, and what happens around it.

    `loss` takes the update's `Draws` and gives the loss and the values that go into the journal.
    """

    name: str
    trains: str
    loss: Callable[["Draws"], tuple[Tensor, Values]]
    repeat: Callable[[int], int]
    uses_real: bool
    before: Callable[[], None] = nothing
    after: Callable[[], None] = nothing
    batches: int = 1  # the step's samples, in batches


class Draws:
    """What one step of an update may draw, each a pure function of (seed, update, iteration, repetition)."""

    real: Tensor | None  # images (n, 3, H, W) in [-1, 1], or points (n, d)

    @abstractmethod
    def latent(self) -> Tensor:
        """Standard normal latent vectors, (n, latent)."""

    @abstractmethod
    def uniform(self) -> Tensor:
        """One number in [0, 1) for each sample, (n,)."""

    @abstractmethod
    def noise(self) -> Tensor:
        """One number in [0, 1) for each value of `real`."""

    @abstractmethod
    def labels(self) -> Tensor:
        """The classes of `real`, (n,) int64; raises UserError if the images have none."""

    @abstractmethod
    def classes(self, count: int) -> Tensor:
        """A class in 0..count-1 for each sample, each as probable, (n,) int64."""


class Legend(NamedTuple):
    """What a figure has to say of an objective's numbers."""

    estimate: str  # what is estimated; see Adversarial.legend for which can be compared
    formula: str  # of the estimate
    smallest: float | None  # the distance's range
    largest: float | None
    critic_loss: str  # formula, without penalty
    blind_loss: float  # the smallest critic loss of a critic that tells nothing apart


class Objective(Component):
    """What critic and generator minimise."""

    folder: ClassVar = "methods.objectives"
    needs_slope: ClassVar[bool] = False  # whether only a constrained slope gives the critic's loss an optimum
    threshold: ClassVar[float | None] = 0.0  # scores above it say "real"; None: scores say no such thing

    @property
    @abstractmethod
    def legend(self) -> Legend:
        """Names, formulas and ranges for reports."""

    @abstractmethod
    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """The critic's loss from scores of real and generated images."""

    @abstractmethod
    def generator_loss(self, fake: Tensor) -> Tensor:
        """The generator's loss from scores of generated images."""

    @abstractmethod
    def estimate(self, real: Tensor, fake: Tensor) -> Tensor:
        """The distance between the two distributions that these scores estimate; larger is farther."""


class Constraint(Component):
    """What keeps the critic in its class of functions; the default constrains nothing."""

    folder: ClassVar = "methods.constraints"
    slope: ClassVar[str] = "unknown"  # the largest slope of a critic so constrained, in words; "near 1" or "unknown"

    def prepare(self, critic: nn.Module, seed: int) -> None:
        """Adds to a critic with initial weights what the constraint keeps in it; draws depend on the seed alone."""

    def before_step(self, critic: nn.Module) -> None:
        """Acts on the critic's weights before its optimiser step's gradients are computed."""

    def after_step(self, critic: nn.Module) -> None:
        """Acts on the critic's weights after its optimiser step."""

    def penalty(self, score: Score, real: Tensor, fake: Tensor, epsilon: Tensor) -> tuple[Tensor, Values]:
        """A term added to the critic's loss, and values for the journal; `epsilon`, (n,), is uniform in [0, 1)."""
        return real.new_zeros(()), {}

    def refusal(self, critic: Network, objective: Objective) -> str | None:
        """Why this constraint makes no sense with the critic's network or an objective, or None."""
        return None


class Conditioning(Component):
    """How classes enter generator and critic; the default is for those whose critic has nothing to add to its score.

    `classes` is their count: 0 in a method that uses none.
    """

    folder: ClassVar = "methods.conditionings"
    uses_labels: ClassVar[bool] = True
    critic_sees: ClassVar[str] = "images"  # the pairs of distributions that an estimate compares, in words

    def channels(self, own: int, classes: int) -> int:
        """Channels of the critic's input, for samples that have `own`: 3 of an image, d of a point."""
        return own

    def outputs(self, classes: int) -> int:
        """Outputs of the critic: the score, and what `critic_loss` and `generator_loss` are given."""
        return 1

    def view(self, images: Tensor, labels: Tensor, classes: int) -> Tensor:
        """The critic's input, (n, channels, H, W) or (n, channels), for samples of these classes."""
        return images

    def critic_loss(self, real: Tensor, fake: Tensor, labels: Tensor) -> tuple[Tensor | float, Values]:
        """A term of the critic's loss, from its outputs beside the score, (n, outputs - 1)."""
        return 0.0, {}

    def generator_loss(self, fake: Tensor, labels: Tensor) -> tuple[Tensor | float, Values]:
        """A term of the generator's loss."""
        return 0.0, {}


class Optimizer(Component):
    """An optimiser with its settings."""

    folder: ClassVar = "methods.optimizers"
    lr: float = Field(gt=0, description="learning rate")
    decay: Literal["none", "linear"] = Field(
        "none", description="linear: the rate falls in every iteration alike, to 0 after the last"
    )

    @abstractmethod
    def build(self, parameters: Iterable[nn.Parameter], trains: str) -> optim.Optimizer:
        """The optimiser of the parameters of "generator" or "critic"."""

    def rate(self, iteration: int, iterations: int) -> float:
        """The learning rate of an iteration, from 0."""
        return self.lr * (1 - iteration / iterations) if self.decay == "linear" else self.lr
