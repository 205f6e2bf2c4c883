"""No constraint on the critic."""

from ganflow.methods.interfaces import Constraint, Objective
from ganflow.networks.interfaces import Network


class Unconstrained(Constraint):
    """The critic may be any function."""

    def refusal(self, critic: Network, objective: Objective) -> str | None:
        if objective.needs_slope:
            return "a Wasserstein critic without a constraint has no optimum; add weight_clipping or gradient_penalty"
        return None
