"""No constraint on the critic."""

from typing import ClassVar

from ganflow.methods.components import Constraint, Objective
from ganflow.networks.interfaces import Network


class Unconstrained(Constraint):
    """The critic may be any function."""

    effect: ClassVar = "nothing; refused with `wasserstein`"
    source: ClassVar = ""

    def refusal(self, critic: Network, objective: Objective) -> str | None:
        if objective.needs_lipschitz:
            return "a Wasserstein critic without a constraint has no optimum; add weight_clipping or gradient_penalty"
        return None
