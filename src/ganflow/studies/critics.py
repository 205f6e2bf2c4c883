"""A critic that is trained between two distributions that can be sampled, for studies of distances."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from ganflow.methods.components import Constraint, Objective, Score
from ganflow.methods.draws import Draws
from ganflow.methods.optimizers.adam import Adam
from ganflow.networks.building import initialise
from ganflow.networks.families.toy_mlp import ToyMLP
from ganflow.randomness import generator

Sampler = Callable[[np.random.Generator], np.ndarray]  # returns (n, d), with the same n each time


class FixedUniform(Draws):
    """The random numbers of a step, with fixed uniform numbers, (n,)."""

    def __init__(self, seed: int, step: int, values: Tensor):
        super().__init__(seed, "cpu", "critic step", (step,), len(values))
        self.values = values

    def uniform(self, name: str, shape: tuple[int, ...]) -> Tensor:
        return self.values[: shape[0]]


class Critic:
    """A toy MLP with Adam, an objective and a constraint, in float32 on the CPU."""

    def __init__(
        self, objective: Objective, constraint: Constraint, dimension: int, network: ToyMLP, lr: float, seed: int
    ):
        self.objective, self.constraint, self.seed, self.steps = objective, constraint, seed, 0
        self.module = initialise(network, network.critic(dimension, dimension), seed, "critic")
        constraint.prepare(self.module, seed)
        self.score = Score(self)
        self.optimizer = Adam(lr=lr, betas=(0.5, 0.9)).build(self.module.parameters(), "critic")

    def __call__(self, points: Tensor) -> Tensor:
        """Scores, (n,), of points (n, d)."""
        return self.module(points)[:, 0]

    def fit(self, real: Sampler, fake: Sampler, steps: int) -> Iterator[int]:
        """Trains for `steps` steps; yields the number of completed steps before each."""
        for _ in range(steps):
            yield self.steps
            draw = generator(self.seed, "critic step", self.steps)
            self.step(points(real, draw), points(fake, draw), points(lambda d: d.random(1 << 16), draw))
        yield self.steps

    def step(self, real: Tensor, fake: Tensor, uniform: Tensor) -> None:
        """One step on points (n, d); uses the first n numbers of `uniform`."""
        self.constraint.before_step(self.module)
        self.optimizer.zero_grad(set_to_none=True)
        penalty, _ = self.constraint.penalty(self.score, real, fake, FixedUniform(self.seed, self.steps, uniform))
        (self.objective.critic_loss(self(real), self(fake)) + penalty).backward()
        self.optimizer.step()
        self.constraint.after_step(self.module)
        self.steps += 1

    @torch.no_grad()
    def estimate(self, real: Tensor, fake: Tensor) -> float:
        """The distance that the critic estimates."""
        return float(self.objective.estimate(self(real), self(fake)))

    def gradient(self, at: Tensor) -> Tensor:
        """The gradient of the score at points, (n, d)."""
        at = at.detach().requires_grad_()
        return torch.autograd.grad(self(at).sum(), at)[0]


def points(sampler: Sampler, draw: np.random.Generator) -> Tensor:
    """Points of a sampler as float32."""
    return torch.from_numpy(sampler(draw).astype(np.float32))


def finish(steps: Iterator[int]) -> None:
    """Runs all remaining steps."""
    for _ in steps:
        pass
