"""Generator against critic: GAN, LSGAN, f-GAN, WGAN, WGAN-GP and all other combinations of components."""

from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from ganflow.components import component
from ganflow.config import Choice, In
from ganflow.config import Model as Settings
from ganflow.errors import UserError
from ganflow.methods.adversarial_model import AdversarialModel, Parts
from ganflow.methods.components import Conditioning, Constraint, Objective
from ganflow.methods.interfaces import Data, Method, Model, Task

Choices = Choice | Annotated[tuple[Choice, ...], Field(strict=False, min_length=1)]


class CriticSteps(Settings):
    """Critic updates per generator update; `boost` at the start and at intervals, as in the WGAN authors' code."""

    short_form: ClassVar = {"type": "integer", "minimum": 1}
    steps: int = Field(1, ge=1, description="critic updates before each generator update")
    boost: int | None = Field(None, ge=1, description="critic updates at boosted iterations")
    boost_first: int = Field(25, ge=0, description="number of boosted generator iterations at the start")
    boost_every: int = Field(500, ge=1, description="interval of further boosted iterations")

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        return {"steps": value} if isinstance(value, int) else value

    def at(self, iteration: int) -> int:
        """Critic updates before the generator update `iteration` (from 0)."""
        boosted = iteration < self.boost_first or iteration % self.boost_every == 0
        return self.boost if self.boost and boosted else self.steps


class Adversarial(Method):
    """The critic's updates, then the generator's, in every iteration."""

    about: ClassVar = (
        "generator against critic: GAN, LSGAN, f-GAN, WGAN, WGAN-GP and every other combination of the components below"
    )
    players: ClassVar = ("critic", "generator")
    critic_network: Annotated[Choice | None, In("networks.families")] = Field(
        None, description="the critic's family; absent: the generator's"
    )
    objective: Annotated[Choice, In("methods.objectives")] = Field(
        examples=["non_saturating"], description="losses of critic and generator: a file of methods/objectives"
    )
    constraint: Annotated[Choices, In("methods.constraints")] = Field(
        Choice(name="none"), description="of the critic: a file of methods/constraints, or a list of them"
    )
    generator_constraint: Annotated[Choices, In("methods.constraints")] = Field(
        Choice(name="none"), description="of the generator's weights: spectral_norm"
    )
    conditioning: Annotated[Choice, In("methods.conditionings")] = Field(
        Choice(name="none"), description="on classes: a file of methods/conditionings"
    )
    critic_steps: CriticSteps = Field(CriticSteps(), description="critic updates per generator update")

    def check(self, task: Task) -> None:
        self.parts(task)

    def build(self, task: Task, data: Data, seed: int, device: str) -> Model:
        return AdversarialModel(self.parts(task), task, data, seed, device)

    def parts(self, task: Task) -> Parts:
        """The components on a task; raises UserError for unknown ones and invalid combinations."""
        key = task.key
        critic_choice, steps = self.critic_network or task.variant.network, self.critic_steps.steps
        generator = self.network(task, task.variant.network, f"variants.{task.name}.network")
        critic = self.network(task, critic_choice, f"{key}.critic_network")
        objective = component(Objective, self.objective, f"{key}.objective")
        constraints = _constraints(self.constraint, f"{key}.constraint")
        generator_constraints = _constraints(self.generator_constraint, f"{key}.generator_constraint")
        conditioning = component(Conditioning, self.conditioning, f"{key}.conditioning")
        for name, constraint in constraints.items():
            if reason := constraint.refusal(critic, objective):
                raise UserError(f"params.yaml: {key}.constraint = {name!r}: {reason}")
        for name, constraint in generator_constraints.items():
            if name != "none" and not constraint.for_generators:
                raise UserError(
                    f"params.yaml: {key}.generator_constraint = {name!r}: constrains critics only; "
                    "choose spectral_norm, or leave it out"
                )
        if conditioning.uses_labels and not task.labelled:
            raise UserError(
                f"params.yaml: {key}.conditioning = {self.conditioning.name!r}: needs classes, and {task.dataset} "
                "has none; name the datasets that have some in the variant's `datasets`"
            )
        return Parts(
            task.variant.network,
            generator,
            critic_choice,
            critic,
            objective,
            constraints,
            generator_constraints,
            conditioning,
            self.critic_steps.at,
            (
                self.objective.name,
                *(name for name in constraints if name != "none"),
                *(f"{name} in the generator" for name in generator_constraints if name != "none"),
                *((f"critic × {steps}",) if steps > 1 else ()),
            ),
        )


def _constraints(chosen: Choices, key: str) -> dict[str, Constraint]:
    """{name: constraint} of one choice or of a list of different ones."""
    listed = (chosen,) if isinstance(chosen, Choice) else chosen
    found: dict[str, Constraint] = {}
    for choice in listed:
        if choice.name in found or (choice.name == "none" and len(listed) > 1):
            raise UserError(f"params.yaml: {key}: a list of constraints names each once and not `none`; remove one")
        found[choice.name] = component(Constraint, choice, key)
    return found
