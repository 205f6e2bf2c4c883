"""Generator against critic: GAN, LSGAN, f-GAN, WGAN, WGAN-GP and every other combination of objective, constraint and
conditioning, on any networks."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from ganflow.components import component
from ganflow.config import Choice, In
from ganflow.config import Model as Settings
from ganflow.errors import UserError
from ganflow.methods.components import Conditioning, Constraint, Objective
from ganflow.methods.critic_diagnostics import (
    estimate_charts,
    estimate_name,
    layer_gradient_norms,
    transport_cosine,
)
from ganflow.methods.gradient_norms import gradient_norms, summary
from ganflow.methods.interfaces import (
    SAMPLES,
    Data,
    Draws,
    Export,
    Method,
    Model,
    Player,
    Task,
    Values,
    loss_charts,
    means,
    on_device,
)
from ganflow.networks.building import Blueprint, initialise, network_of, parameter_count
from ganflow.networks.codes import codes
from ganflow.networks.interfaces import Network

GRADIENT_SAMPLES = 256  # held-out samples at which the critic's gradient is measured; it costs as much as a step

Choices = Choice | Annotated[tuple[Choice, ...], Field(strict=False, min_length=1)]


class CriticSteps(Settings):
    """Critic updates per generator update; `boost` at the start and now and then, as in the WGAN authors' code."""

    short_form: ClassVar = {"type": "integer", "minimum": 1}
    steps: int = Field(1, ge=1, description="critic updates before each generator update")
    boost: int | None = Field(None, ge=1, description="critic updates at boosted iterations")
    boost_first: int = Field(25, ge=0, description="the first so many generator iterations are boosted")
    boost_every: int = Field(500, ge=1, description="and every so many")

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
        examples=["non_saturating"], description="what both minimise: a file of methods/objectives"
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
        Parts(self, task)

    def build(self, task: Task, data: Data, seed: int, device: str) -> Model:
        return AdversarialModel(Parts(self, task), task, data, seed, device)


class Parts:
    """The components of the method on a task; raises UserError for unknown ones and senseless combinations."""

    def __init__(self, chosen: Adversarial, task: Task):
        key, variant = task.key, task.variant
        self.network_choice, self.critic_choice = variant.network, chosen.critic_network or variant.network
        self.network = network_of(self.network_choice, task.shape, f"variants.{task.name}.network")
        self.critic_network = network_of(self.critic_choice, task.shape, f"{key}.critic_network")
        self.objective = component(Objective, chosen.objective, f"{key}.objective")
        self.constraints = _constraints(chosen.constraint, f"{key}.constraint")
        self.generator_constraints = _constraints(chosen.generator_constraint, f"{key}.generator_constraint")
        self.conditioning = component(Conditioning, chosen.conditioning, f"{key}.conditioning")
        self.names = (
            chosen.objective.name,
            *(name for name in self.constraints if name != "none"),
            *(f"{name} in the generator" for name in self.generator_constraints if name != "none"),
            *((f"critic × {chosen.critic_steps.steps}",) if chosen.critic_steps.steps > 1 else ()),
        )
        self.critic_steps = chosen.critic_steps
        self.constraint_names = tuple(self.constraints)
        for name, constraint in self.constraints.items():
            if reason := constraint.refusal(self.critic_network, self.objective):
                raise UserError(f"params.yaml: {key}.constraint = {name!r}: {reason}")
        for name, constraint in self.generator_constraints.items():
            if name != "none" and not constraint.for_generators:
                raise UserError(
                    f"params.yaml: {key}.generator_constraint = {name!r}: constrains critics only; "
                    "choose spectral_norm, or leave it out"
                )
        if self.conditioning.uses_labels and not task.labelled:
            raise UserError(
                f"params.yaml: {key}.conditioning = {chosen.conditioning.name!r}: needs classes, and {task.dataset} "
                "has none; name the datasets that have some in the variant's `datasets`"
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


class AdversarialModel(Model):
    """A generator and a critic. A generator without parameters is not trained: the critic has a fixed opponent."""

    def __init__(self, parts: Parts, task: Task, data: Data, seed: int, device: str):
        training = task.training
        self.objective, self.conditioning = parts.objective, parts.conditioning
        self.constraints = tuple(parts.constraints.values())
        self.latent, self.dequantise, self.points = training.latent, training.dequantise, len(task.shape) == 1
        self.classes = data.classes if self.conditioning.uses_labels else 0
        self.scale = 256 / 255 if training.dequantise else 1.0  # from the generator's range to that of pixels
        side, own = task.shape[0], task.shape[-1]
        blueprints = {
            "generator": Blueprint(
                parts.network_choice, "generator", {"resolution": side, "latent": self.latent, "classes": self.classes}
            ),
            "critic": Blueprint(
                parts.critic_choice,
                "critic",
                {
                    "resolution": side,
                    "channels": self.conditioning.channels(own, self.classes),
                    "outputs": self.conditioning.outputs(self.classes),
                },
            ),
        }
        networks: dict[str, Network] = {"generator": parts.network, "critic": parts.critic_network}
        made = {
            name: initialise(networks[name], blueprint.module(networks[name]), seed, name)
            for name, blueprint in blueprints.items()
        }
        parts.network.initialise_from_data(made["generator"], data.first)
        for constraint in self.constraints:
            constraint.prepare(made["critic"], seed)
        for constraint in parts.generator_constraints.values():
            constraint.prepare(made["generator"], seed, "generator")
        self.modules = on_device(device, **made)
        critic = Player(
            "critic",
            ("critic",),
            self._critic_loss,
            task.optimizer("critic"),
            parts.critic_steps.at,
            roles=(SAMPLES,),
            before=lambda: self._constrain("before_step", self.constraints, "critic"),
            after=lambda: self._constrain("after_step", self.constraints, "critic"),
        )
        generator_constraints = tuple(parts.generator_constraints.values())
        generator = Player(
            "generator",
            ("generator",),
            self._generator_loss,
            task.optimizer("generator"),
            batches=training.generator_batch,
            before=lambda: self._constrain("before_step", generator_constraints, "generator"),
            after=lambda: self._constrain("after_step", generator_constraints, "generator"),
        )
        self.players = (critic, generator) if parameter_count(self.modules["generator"]) else (critic,)
        self.exports = {
            "generator": Export(
                self.modules["generator"],
                blueprints["generator"],
                "latent",
                "samples",
                averaged=True,
                snapshots=True,
                scale=self.scale,
            ),
            "critic": Export(self.modules["critic"], blueprints["critic"], "samples", "scores"),
        }
        lipschitz = "one" if any(c.lipschitz == "one" for c in self.constraints) else "unknown"
        bound = lipschitz if self.objective.needs_lipschitz else None
        legend, compared = self.objective.legend, self.conditioning.critic_input
        label = f"critic loss (minimised)\n{legend.critic_loss}"
        self.charts = (
            *loss_charts("critic_loss", task.name, label, legend.chance_loss),
            *estimate_charts(legend, bound, compared, parts.constraint_names, task.name),
        )
        name = estimate_name(legend, bound, compared, task.name)
        self.metric_names = {column: f"{column}/{name}" for column in ("estimate", "validation_estimate")}
        self.held_out_loss = "validation_critic_loss"
        self.summary = parts.names

    def _constrain(self, when: str, constraints: tuple[Constraint, ...], module: str) -> None:
        for constraint in constraints:
            getattr(constraint, when)(self.modules[module])

    def _critic_loss(self, draws: Draws) -> tuple[Tensor, Values]:
        real, labels = self._real(draws), self._labels(draws)
        with torch.no_grad():
            fake = self._generated(draws, labels)
        (real_scores, real_rest), (fake_scores, fake_rest) = self._scored(real, labels), self._scored(fake, labels)
        loss = self.objective.critic_loss(real_scores, fake_scores)
        values = {
            "critic_loss": loss.detach(),
            "estimate": self.objective.estimate(real_scores, fake_scores).detach(),
        }
        class_loss, class_values = self.conditioning.critic_loss(real_rest, fake_rest, labels)
        for constraint in self.constraints:
            penalty, penalty_values = constraint.penalty(
                lambda images: self._scored(images, labels)[0], real, fake, draws
            )
            loss, values = loss + penalty, values | penalty_values
        return loss + class_loss, values | class_values

    def _generator_loss(self, draws: Draws) -> tuple[Tensor, Values]:
        labels = draws.integers("classes", (draws.size,), self.classes)
        scores, rest = self._scored(self._generated(draws, labels), labels)
        loss = self.objective.generator_loss(scores)
        class_loss, values = self.conditioning.generator_loss(rest, labels)
        return loss + class_loss, {"generator_loss": loss.detach()} | values

    def monitor(self, held_out: Sequence[Draws]) -> dict[str, float]:
        """Means over held-out samples, and the critic's gradient norms at the first GRADIENT_SAMPLES of them."""
        values = means(held_out, self.validation)
        norms, seen = [], 0
        for draws in held_out:
            if seen < GRADIENT_SAMPLES:
                norms.append(self.gradient_norms(draws))
            seen += draws.size
        return values | self.gradient_values(torch.cat(norms), values)

    @torch.no_grad()
    def validation(self, draws: Draws) -> Values:
        """The critic's loss (without penalty), the estimate and, where scores have a threshold, the share of real and
        generated samples on their side of it; for points the cosine with optimal transport."""
        real, fake, labels = self._pair(draws)
        (real_scores, _), (fake_scores, _) = self._scored(real, labels), self._scored(fake, labels)
        values = {
            "validation_critic_loss": self.objective.critic_loss(real_scores, fake_scores),
            "validation_estimate": self.objective.estimate(real_scores, fake_scores),
        }
        if (threshold := self.objective.threshold) is not None:
            right = (real_scores > threshold).float().mean() + (fake_scores <= threshold).float().mean()
            values["validation_accuracy"] = right / 2
        if self.points:
            values["validation_transport_cosine"] = transport_cosine(
                lambda points: self._scored(points, labels)[0], real, fake
            )
        return values

    @torch.no_grad()
    def gradient_norms(self, draws: Draws) -> Tensor:
        """The critic's gradient norms, (n,), at uniform points between held-out and generated samples."""
        real, fake, labels = self._pair(draws)
        self.modules["critic"].requires_grad_(False)
        epsilon = draws.uniform("uniform", (draws.size,))
        return gradient_norms(lambda images: self._scored(images, labels)[0], real, fake, epsilon, False)

    def gradient_values(self, norms: Tensor, values: dict[str, float]) -> dict[str, float]:
        """Journal values from gradient norms, (n,), and the means over held-out samples.

        The estimate over the largest norm is there where the estimate grows with the critic's Lipschitz constant K: it
        is a guess at W from K W, not a bound, as the gradient may be larger elsewhere.
        """
        found = {key: float(value) for key, value in summary(norms, "validation_gradient_norm").items()}
        found["validation_gradient_norm_max"] = largest = float(norms.max())
        if self.objective.needs_lipschitz:
            tiny = torch.finfo(norms.dtype).tiny
            found["validation_estimate_over_gradient_norm"] = values["validation_estimate"] / max(largest, tiny)
        return found

    def sample(self, module: nn.Module, draws: Draws, labels: Tensor) -> Tensor:
        latent = draws.normal("latent", (draws.size, self.latent))
        return module(codes(latent, labels, self.classes)).float() * self.scale

    def diagnostics(self, real: Tensor, samples: Tensor, lattice: Tensor | None) -> dict[str, Tensor]:
        """`gradient_norms`, (l,): of the critic's loss, without penalty, in the outputs of each linear layer; `scores`
        at the lattice, and their sigmoid as `probabilities` where that is the probability of "real"."""
        critic = self.modules["critic"]

        def loss(points: Tensor) -> Tensor:
            scores = self._of_first_class(points)
            return self.objective.critic_loss(scores[: len(real)], scores[len(real) :])

        found = {"gradient_norms": layer_gradient_norms(critic, loss, torch.cat([real, samples]))}
        if lattice is not None:
            found["scores"] = scores = self._of_first_class(lattice)
            if self.objective.probability:
                found["probabilities"] = scores.double().sigmoid().float()
        return found

    def _of_first_class(self, points: Tensor) -> Tensor:
        return self._scored(points, torch.zeros(len(points), dtype=torch.int64, device=points.device))[0]

    def _pair(self, draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
        """Real samples, generated ones of the same classes, and these."""
        real, labels = self._real(draws), self._labels(draws)
        return real, self._generated(draws, labels), labels

    def _real(self, draws: Draws) -> Tensor:
        """Real samples as the critic is given them in training."""
        real = draws.batch(SAMPLES).values
        if not self.dequantise:
            return real
        noise = draws.uniform("noise", tuple(real.shape))
        return real * (255 / 256) + (noise - 0.5) / 128  # x / 127.5 - 1 to x / 128 - 1 + U(0, 1/128)

    def _labels(self, draws: Draws) -> Tensor:
        """Labels of the real samples; without conditioning none is read, and every class is 0 of 0."""
        return draws.batch(SAMPLES).labels if self.classes else draws.integers("classes", (draws.size,), 0)

    def _generated(self, draws: Draws, labels: Tensor) -> Tensor:
        latent = draws.normal("latent", (draws.size, self.latent))
        return self.modules["generator"](codes(latent, labels, self.classes))

    def _scored(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (n,) and the critic's other outputs (n, k), in float32 or better at whatever precision it runs."""
        outputs = self.modules["critic"](self.conditioning.critic_view(images, labels, self.classes))
        outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
        return outputs[:, 0], outputs[:, 1:]
