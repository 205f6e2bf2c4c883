"""The model of the method `adversarial`: a generator and a critic with an objective, constraints and conditioning."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ganflow.config import Choice
from ganflow.methods.components import Conditioning, Constraint, Objective, Score
from ganflow.methods.critic_diagnostics import layer_gradient_norms, transport_cosine
from ganflow.methods.draws import SAMPLES, Draws
from ganflow.methods.estimates import COSINE, ESTIMATE, Estimates
from ganflow.methods.gradient_norms import gradient_norms
from ganflow.methods.interfaces import Data, Export, Model, Player, Task, Values, loss_charts, means, on_device
from ganflow.methods.piecewise_linear import InputGradient
from ganflow.networks.building import Blueprint, initialise, parameter_count
from ganflow.networks.codes import codes
from ganflow.networks.interfaces import Network

GRADIENT_SAMPLES = 256  # held-out samples at which the critic's gradient is measured; it costs as much as a step


@dataclass(frozen=True)
class Parts:
    """The components of an adversarial model; constraints are by name."""

    generator_choice: Choice
    generator: Network
    critic_choice: Choice
    critic: Network
    objective: Objective
    constraints: dict[str, Constraint]
    generator_constraints: dict[str, Constraint]
    conditioning: Conditioning
    critic_steps: Callable[[int], int]  # critic updates before the generator update of an iteration
    summary: tuple[str, ...]  # names of the parts, for tables


class AdversarialModel(Model):
    """A generator and a critic; a generator without parameters is fixed."""

    def __init__(self, parts: Parts, task: Task, data: Data, seed: int, device: str):
        training = task.training
        self.objective, self.conditioning = parts.objective, parts.conditioning
        self.constraints, self._input_gradient = tuple(parts.constraints.values()), InputGradient()
        self.latent, self.dequantise, self.points = training.latent, training.dequantise, len(task.shape) == 1
        self.classes = data.classes if self.conditioning.uses_labels else 0
        scale = 256 / 255 if training.dequantise else 1.0  # from the generator's range to that of pixels
        side, channels = task.shape[0], self.conditioning.channels(task.shape[-1], self.classes)
        arguments = {"resolution": side, "latent": self.latent, "classes": self.classes}
        generator_plan = Blueprint(parts.generator_choice, "generator", arguments)
        arguments = {"resolution": side, "channels": channels, "outputs": self.conditioning.outputs(self.classes)}
        critic_plan = Blueprint(parts.critic_choice, "critic", arguments)
        made = {
            "generator": initialise(parts.generator, generator_plan.module(parts.generator), seed, "generator"),
            "critic": initialise(parts.critic, critic_plan.module(parts.critic), seed, "critic"),
        }
        parts.generator.initialise_from_data(made["generator"], data.first)
        for constraint in self.constraints:
            constraint.prepare(made["critic"], seed)
        for constraint in parts.generator_constraints.values():
            constraint.prepare(made["generator"], seed, "generator")
        self.modules = on_device(device, made)
        critic = Player(
            "critic",
            ("critic",),
            self._critic_loss,
            task.optimizer("critic"),
            parts.critic_steps,
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
            "generator": Export(made["generator"], generator_plan, "latent", "samples", averaged=True, scale=scale),
            "critic": Export(made["critic"], critic_plan, "samples", "scores"),
        }
        legend, lipschitz = self.objective.legend, self.objective.needs_lipschitz
        compared = "points" if self.points and not self.classes else self.conditioning.critic_input
        self.estimates = Estimates(legend, lipschitz, parts.constraints, compared, task.name, self.points)
        label = f"critic loss (minimised)\n{legend.critic_loss}"
        self.charts = (
            *loss_charts("critic_loss", task.name, label, legend.chance_loss),
            *self.estimates.charts,
        )
        self.metric_names = self.estimates.metric_names
        self.held_out_loss = "validation_critic_loss"
        self.summary = parts.summary

    def _constrain(self, when: str, constraints: tuple[Constraint, ...], module: str) -> None:
        for constraint in constraints:
            getattr(constraint, when)(self.modules[module])

    def _critic_loss(self, draws: Draws) -> tuple[Tensor, Values]:
        real, labels = self._real(draws), self._labels(draws)
        with torch.no_grad():
            fake = self._generated(draws, labels)
        (real_scores, real_rest), (fake_scores, fake_rest) = self._scored(real, labels), self._scored(fake, labels)
        loss = self.objective.critic_loss(real_scores, fake_scores)
        values = {"critic_loss": loss.detach(), "estimate": self.objective.estimate(real_scores, fake_scores).detach()}
        class_loss, class_values = self.conditioning.critic_loss(real_rest, fake_rest, labels)
        for constraint in self.constraints:
            penalty, penalty_values = constraint.penalty(self._score(labels), real, fake, draws)
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
        norms: list[Tensor] = []

        def measured(draws: Draws) -> Values:
            pair = self._pair(draws)
            if sum(map(len, norms)) < GRADIENT_SAMPLES:
                norms.append(self._gradient_norms(draws, *pair))
            return self._validation(*pair)

        values = means(held_out, measured)
        return values | self.estimates.values(torch.cat(norms), values[ESTIMATE])

    def flags(self, journal: Sequence[Mapping[str, float]]) -> list[str]:
        """What in a journal contradicts the label of the estimate."""
        return self.estimates.flags(journal)

    def validation(self, draws: Draws) -> Values:
        """Critic loss without penalty, estimate, accuracy (if scores classify), transport cosine (for points)."""
        return self._validation(*self._pair(draws))

    @torch.no_grad()
    def _validation(self, real: Tensor, fake: Tensor, labels: Tensor) -> Values:
        (real_scores, _), (fake_scores, _) = self._scored(real, labels), self._scored(fake, labels)
        values = {
            "validation_critic_loss": self.objective.critic_loss(real_scores, fake_scores),
            ESTIMATE: self.objective.estimate(real_scores, fake_scores),
        }
        if (threshold := self.objective.threshold) is not None:
            right = (real_scores > threshold).float().mean() + (fake_scores <= threshold).float().mean()
            values["validation_accuracy"] = right / 2
        if self.points:
            values[COSINE] = transport_cosine(self._score(labels), real, fake)
        return values

    @torch.no_grad()
    def _gradient_norms(self, draws: Draws, real: Tensor, fake: Tensor, labels: Tensor) -> Tensor:
        """The critic's gradient norms, (n,), at uniform points between held-out and generated samples."""
        self.modules["critic"].requires_grad_(False)
        epsilon = draws.uniform("uniform", (draws.size,))
        return gradient_norms(self._score(labels), real, fake, epsilon)

    def diagnostics(self, real: Tensor, samples: Tensor, lattice: Tensor | None) -> dict[str, Tensor]:
        """`gradient_norms`, (layers,), of the critic's loss without penalty at the output of each linear layer;
        `scores` on the lattice, and `probabilities`, their sigmoid, if that is the probability of "real"."""
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

    @torch.no_grad()
    def _pair(self, draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
        """Real samples, generated samples of the same classes, and these classes."""
        real, labels = self._real(draws), self._labels(draws)
        return real, self._generated(draws, labels), labels

    def _real(self, draws: Draws) -> Tensor:
        """Real samples, dequantised if the training section asks for it."""
        real = draws.batch(SAMPLES).values
        if not self.dequantise:
            return real
        noise = draws.uniform("noise", tuple(real.shape))
        return real * (255 / 256) + (noise - 0.5) / 128  # x / 127.5 - 1 to x / 128 - 1 + U(0, 1/128)

    def _labels(self, draws: Draws) -> Tensor:
        """Labels of the real samples; zeros without conditioning."""
        return draws.batch(SAMPLES).labels if self.classes else draws.integers("classes", (draws.size,), 0)

    def _generated(self, draws: Draws, labels: Tensor) -> Tensor:
        latent = draws.normal("latent", (draws.size, self.latent))
        return self.modules["generator"](codes(latent, labels, self.classes))

    def _score(self, labels: Tensor) -> Score:
        """The score of samples of these classes."""
        return Score(lambda images: self._scored(images, labels)[0], self._input_gradient)

    def _scored(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (n,) and the critic's other outputs (n, k), in float32 or better at any precision of the network."""
        outputs = self.modules["critic"](self.conditioning.critic_view(images, labels, self.classes))
        outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
        return outputs[:, 0], outputs[:, 1:]
