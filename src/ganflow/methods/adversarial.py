"""Two-player training: the critic's updates, then the generator's, for any objective, constraint, conditioning and
network."""

from typing import NamedTuple

import torch
from torch import Tensor, nn, optim

from ganflow.components import Component, component
from ganflow.config import Training, Variant
from ganflow.errors import UserError
from ganflow.methods.interfaces import Conditioning, Constraint, Draws, Objective, Optimizer, Update, Values
from ganflow.methods.slopes import gradient_norms, summary
from ganflow.networks.interfaces import Network, Shape, codes, initialise, network_of, parameter_count


class Parts(NamedTuple):
    """The components of a variant with their settings."""

    network: Network
    critic_network: Network
    objective: Objective
    constraint: Constraint
    conditioning: Conditioning
    optimizer: Optimizer

    def by_key(self) -> dict[str, Component]:
        """{key of the variant: component}."""
        return self._asdict()


def parts(name: str, variant: Variant, shape: Shape, labelled: bool = True, dataset: str = "the dataset") -> Parts:
    """The components of a variant; raises UserError for unknown ones and senseless combinations.

    `labelled` says whether the images of `dataset`, so called in messages, have classes.
    """
    where = f"variants.{name}"
    found = Parts(
        network_of(variant.network, shape, f"{where}.network"),
        network_of(variant.critic_network or variant.network, shape, f"{where}.critic_network"),
        component(Objective, variant.objective, f"{where}.objective"),
        component(Constraint, variant.constraint, f"{where}.constraint"),
        component(Conditioning, variant.conditioning, f"{where}.conditioning"),
        component(Optimizer, variant.optimizer, f"{where}.optimizer"),
    )
    if reason := found.constraint.refusal(found.critic_network, found.objective):
        raise UserError(f"params.yaml: {where}.constraint = {variant.constraint.name!r}: {reason}")
    if found.conditioning.uses_labels and not labelled:
        raise UserError(
            f"params.yaml: {where}.conditioning = {variant.conditioning.name!r}: needs classes, and {dataset} has "
            "none; condition on datasets with classes, as cifar10, in an experiment of their own"
        )
    return found


class Adversarial:
    """A generator and a critic with their optimisers and ordered updates, on one device."""

    def __init__(
        self,
        name: str,
        variant: Variant,
        training: Training,
        shape: Shape,
        seed: int,
        device: str,
        classes: int = 0,
    ):
        """`shape` is that of a stored sample, `classes` the number of the dataset's classes, 0 if it has none.

        A generator without parameters is not trained: the critic has a fixed opponent.
        """
        self.parts = parts(name, variant, shape, labelled=classes > 0)
        self.objective, self.constraint, self.conditioning = (
            self.parts.objective,
            self.parts.constraint,
            self.parts.conditioning,
        )
        self.training = training
        self.classes = classes if self.conditioning.uses_labels else 0
        self.image_scale = 256 / 255 if training.dequantise else 1.0  # from the generator's range to that of pixels
        network, critic_network = self.parts.network, self.parts.critic_network
        generator = network.generator(shape[0], training.latent, self.classes)
        critic = critic_network.critic(
            shape[0], self.conditioning.channels(shape[-1], self.classes), self.conditioning.outputs(self.classes)
        )
        initialise(network, generator, seed, "generator")
        initialise(critic_network, critic, seed, "critic")
        self.constraint.prepare(critic, seed)
        self.modules: dict[str, nn.Module] = {
            name: module.to(device, memory_format=torch.channels_last)  # half as fast again on a CPU
            for name, module in (("generator", generator), ("critic", critic))
        }
        self.optimizers: dict[str, optim.Optimizer] = {
            key: self.parts.optimizer.build(module.parameters(), key)
            for key, module in self.modules.items()
            if parameter_count(module)
        }
        updates = (
            Update(
                name="critic",
                trains="critic",
                loss=self._critic_loss,
                repeat=variant.critic_steps.at,
                uses_real=True,
                before=lambda: self.constraint.before_step(critic),
                after=lambda: self.constraint.after_step(critic),
            ),
            Update(
                name="generator",
                trains="generator",
                loss=self._generator_loss,
                repeat=lambda iteration: 1,
                uses_real=False,
                batches=training.generator_batch,
            ),
        )
        self.updates = tuple(update for update in updates if update.trains in self.optimizers)

    def begin(self, iteration: int) -> None:
        """Sets what changes with the iteration, from 0: the learning rates."""
        rate = self.parts.optimizer.rate(iteration, self.training.iterations)
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = rate

    def legend(self) -> dict[str, str | float | None]:
        """What a report has to say of this method's numbers: the objective's legend, what the estimate is a distance
        `of`, and the `slope` that it grows with: "near 1", "unknown", or "free" where it does not depend on it.

        Estimates can be compared if `estimate` and `of` are equal and `slope` is not "unknown".
        """
        slope = self.constraint.slope if self.objective.needs_slope else "free"
        return self.objective.legend._asdict() | {"slope": slope, "of": self.conditioning.critic_sees}

    def _critic_loss(self, draws: Draws) -> tuple[Tensor, Values]:
        real, labels = self._real(draws), self._labels(draws)
        with torch.no_grad():
            fake = self._generated(draws, labels)
        (real_scores, real_rest), (fake_scores, fake_rest) = self._judged(real, labels), self._judged(fake, labels)
        loss = self.objective.critic_loss(real_scores, fake_scores)
        penalty, penalty_values = self.constraint.penalty(
            lambda images: self._judged(images, labels)[0], real, fake, draws.uniform()
        )
        class_loss, class_values = self.conditioning.critic_loss(real_rest, fake_rest, labels)
        values = {
            "critic_loss": loss.detach(),
            "estimate": self.objective.estimate(real_scores, fake_scores).detach(),
        }
        return loss + penalty + class_loss, values | penalty_values | class_values

    def _generator_loss(self, draws: Draws) -> tuple[Tensor, Values]:
        labels = draws.classes(self.classes)
        scores, rest = self._judged(self._generated(draws, labels), labels)
        loss = self.objective.generator_loss(scores)
        class_loss, values = self.conditioning.generator_loss(rest, labels)
        return loss + class_loss, {"generator_loss": loss.detach()} | values

    @torch.no_grad()
    def validation(self, draws: Draws) -> Values:
        """Means over held-out images, networks in evaluation mode: the critic's loss (without penalty), the estimate
        and, where scores have a threshold, the share of real and generated images on their side of it."""
        real, fake, labels = self.pair(draws)
        (real_scores, _), (fake_scores, _) = self._judged(real, labels), self._judged(fake, labels)
        values = {
            "validation_critic_loss": self.objective.critic_loss(real_scores, fake_scores),
            "validation_estimate": self.objective.estimate(real_scores, fake_scores),
        }
        if (threshold := self.objective.threshold) is not None:
            right = (real_scores > threshold).float().mean() + (fake_scores <= threshold).float().mean()
            values["validation_accuracy"] = right / 2
        return values

    @torch.no_grad()
    def gradient_norms(self, draws: Draws) -> Tensor:
        """The critic's gradient norms, (n,), at draws.uniform() between held-out and generated images."""
        real, fake, labels = self.pair(draws)
        self.modules["critic"].requires_grad_(False)
        return gradient_norms(lambda images: self._judged(images, labels)[0], real, fake, draws.uniform(), False)

    def slopes(self, norms: Tensor, means: dict[str, float]) -> dict[str, float]:
        """Journal values from gradient norms, (n,), and the means of a validation.

        The estimate over the largest norm is there where the estimate grows with the critic's slope: for a critic of
        unknown slope K it is a guess at W of K W, not a bound, as a slope may be larger where nobody looked.
        """
        values = {key: float(value) for key, value in summary(norms, "validation_gradient_norm").items()}
        values["validation_gradient_norm_max"] = largest = float(norms.max())
        if self.objective.needs_slope:
            tiny = torch.finfo(norms.dtype).tiny
            values["validation_estimate_over_slope"] = means["validation_estimate"] / max(largest, tiny)
        return values

    def score(self, samples: Tensor, labels: Tensor) -> Tensor:
        """The critic's scores, (n,), of samples, (n, 3, H, W) or (n, d), of these classes."""
        return self._judged(samples, labels)[0]

    def pair(self, draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
        """Real samples, generated ones of the same classes, and these."""
        real, labels = self._real(draws), self._labels(draws)
        return real, self._generated(draws, labels), labels

    def _real(self, draws: Draws) -> Tensor:
        """Real images as the critic sees them in training."""
        if not self.training.dequantise:
            return draws.real
        return draws.real * (255 / 256) + (draws.noise() - 0.5) / 128  # x / 127.5 - 1 to x / 128 - 1 + U(0, 1/128)

    def _labels(self, draws: Draws) -> Tensor:
        """Labels of the real images; without conditioning none is read, and every class is 0 of 0."""
        return draws.labels() if self.classes else draws.classes(0)

    def _generated(self, draws: Draws, labels: Tensor) -> Tensor:
        return self.modules["generator"](codes(draws.latent(), labels, self.classes))

    def _judged(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (n,) and the critic's other outputs (n, k), in float32 or better at whatever precision it runs."""
        outputs = self.modules["critic"](self.conditioning.view(images, labels, self.classes))
        outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
        return outputs[:, 0], outputs[:, 1:]
