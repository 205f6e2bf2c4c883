"""What a method is made of. An algorithm is data: modules, optimisers, and the ordered updates that a loop runs.

Scores are the critic's outputs, shape (n,), unbounded; losses are minimised; expectations are means over the batch.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn, optim

from ganflow.components import Component
from ganflow.networks.interfaces import Network


def nothing() -> None:
    """What happens around an update that asks for nothing."""


@dataclass(frozen=True)
class Update:
    """One kind of step: which module it trains, on what loss, how often in iteration i, and what happens around it.

    `loss` takes the update's `Draws` and gives the loss and the values that go into the journal.
    """

    name: str
    trains: str
    loss: Callable[["Draws"], tuple[Tensor, dict[str, Tensor]]]
    repeat: Callable[[int], int]
    uses_real: bool
    before: Callable[[], None] = nothing
    after: Callable[[], None] = nothing


class Draws:
    """What one step of an update may draw, each a pure function of (seed, update, iteration, repetition)."""

    real: Tensor | None  # (n, 3, H, W) in [-1, 1]

    @abstractmethod
    def latent(self) -> Tensor:
        """Standard normal latent vectors, (n, latent)."""

    @abstractmethod
    def uniform(self) -> Tensor:
        """One number in [0, 1) for each sample, (n,)."""


class Objective(Component):
    """What critic and generator minimise."""

    estimate_name: ClassVar[str]  # what `estimate` estimates, for labels

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

    def before_step(self, critic: nn.Module) -> None:
        """Acts on the critic's weights before its optimiser step's gradients are computed."""

    def after_step(self, critic: nn.Module) -> None:
        """Acts on the critic's weights after its optimiser step."""

    def penalty(
        self, critic: nn.Module, real: Tensor, fake: Tensor, epsilon: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """A term added to the critic's loss, and values for the journal; `epsilon`, (n,), is uniform in [0, 1)."""
        return real.new_zeros(()), {}

    def refusal(self, network: Network, objective: Objective) -> str | None:
        """Why this constraint makes no sense with a network or objective, or None."""
        return None


class Optimizer(Component):
    """An optimiser with its settings."""

    @abstractmethod
    def build(self, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
        """The optimiser of some parameters."""
