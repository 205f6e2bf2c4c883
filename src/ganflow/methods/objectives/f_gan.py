"""f-GAN (Nowozin et al., arXiv 1606.00709): any f-divergence D_f(P||Q) = E_Q f(p/q), P the real images, Q the
generated.

With the score v, the critic's T = g_f(v) maximises the bound E_P T - E_Q f*(T) (equations 4 and 6); g_f and f* are
those of the paper's Table 2, g_f always increasing, so that a high score means "real"; each f* o g_f is written without
overflow.
"""

import math
from collections.abc import Callable
from typing import ClassVar, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from ganflow.methods.components import Legend, Objective
from ganflow.portable_operations import softplus


class Divergence(NamedTuple):
    """One row of Table 2."""

    name: str
    activation: Callable[[Tensor], Tensor]  # g_f
    conjugate: Callable[[Tensor], Tensor]  # f* o g_f, a function of the score
    largest: float | None  # D_f of two distributions that share no point; None: infinite
    threshold: float = 0.0  # the score at which T = f'(1), where p = q
    at_one: float = 0.0  # f(1), which the bound exceeds the divergence by
    formula: str = "E T(real) − E f*(T(fake))"


def _identity(score: Tensor) -> Tensor:
    return score


def _half_tanh(score: Tensor) -> Tensor:
    return torch.sigmoid(2 * score) - 0.5  # torch.tanh takes the last few from the C library


DIVERGENCES = {
    "kl": Divergence("Kullback-Leibler", _identity, lambda v: torch.exp(v - 1), None, 1.0),
    "reverse_kl": Divergence("reverse Kullback-Leibler", lambda v: -torch.exp(-v), lambda v: v - 1, None),
    "pearson": Divergence("Pearson chi-squared", _identity, lambda v: v.square() / 4 + v, None),
    "squared_hellinger": Divergence("squared Hellinger", lambda v: 1 - torch.exp(-v), lambda v: torch.exp(v) - 1, 2.0),
    "jensen_shannon": Divergence(
        "f-GAN Jensen-Shannon",
        lambda v: math.log(2) - softplus(-v),
        lambda v: softplus(v) - math.log(2),
        2 * math.log(2),
    ),
    "gan": Divergence(
        "f-GAN Jensen-Shannon",
        lambda v: -softplus(-v),
        softplus,
        2 * math.log(2),
        at_one=-2 * math.log(2),
        formula="E T(real) − E f*(T(fake)) + log 4",
    ),
    "total_variation": Divergence("total variation", _half_tanh, _half_tanh, 1.0),
}


class FGAN(Objective):
    """Critic: E f*(T(x_fake)) - E T(x_real); generator: -E f*(T(x_fake)), or -E T(x_fake) (section 3.2)."""

    formula: ClassVar = "the variational bound of one of seven f-divergences, saturating or not"
    source: ClassVar = "f-GAN, arXiv 1606.00709, equations 4 and 6, Table 2"

    divergence: Literal[
        "kl", "reverse_kl", "pearson", "squared_hellinger", "jensen_shannon", "gan", "total_variation"
    ] = Field("jensen_shannon", description="D_f of Table 2; jensen_shannon there is twice the usual one")
    generator: Literal["saturating", "non_saturating"] = Field(
        "saturating", description="Algorithm 1's generator step, or the one with stronger gradients (section 3.2)"
    )

    @property
    def row(self) -> Divergence:
        """The divergence's row of Table 2."""
        return DIVERGENCES[self.divergence]

    @property
    def threshold(self) -> float:
        return self.row.threshold

    @property
    def legend(self) -> Legend:
        row = self.row
        return Legend(
            estimate=f"{row.name} estimate",
            formula=row.formula,
            smallest=0.0,
            largest=row.largest,
            critic_loss="E f*(T(fake)) − E T(real)",
            chance_loss=abs(row.at_one),
        )

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return self.row.conjugate(fake).mean() - self.row.activation(real).mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        term = self.row.conjugate if self.generator == "saturating" else self.row.activation
        return -term(fake).mean()

    def estimate(self, real: Tensor, fake: Tensor) -> Tensor:
        """The variational lower bound of D_f(P||Q), exact at T* = f'(p/q)."""
        return -self.critic_loss(real, fake) - self.row.at_one
