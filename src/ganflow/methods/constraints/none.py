"""No constraint on the critic."""

from ganflow.methods.interfaces import Constraint, Objective
from ganflow.methods.objectives.wasserstein import Wasserstein
from ganflow.networks.interfaces import Network


class Unconstrained(Constraint):
    """The critic may be any function."""

    def refusal(self, network: Network, objective: Objective) -> str | None:
        if isinstance(objective, Wasserstein):
            return "a Wasserstein critic without a constraint has no optimum; add weight_clipping or gradient_penalty"
        return None
