"""Two-player training: the critic's updates, then the generator's, for any objective, constraint and network."""

import torch
from torch import Tensor, nn, optim

from ganflow.components import component
from ganflow.config import Training, Variant
from ganflow.errors import UserError
from ganflow.methods import constraints, objectives, optimizers
from ganflow.methods.interfaces import Constraint, Draws, Objective, Optimizer, Update
from ganflow.networks.interfaces import Network, initialise, network_of


def parts(name: str, variant: Variant, resolution: int) -> tuple[Network, Objective, Constraint, Optimizer]:
    """The components of a variant with their settings; raises UserError for unknown ones and senseless combinations."""
    where = f"variants.{name}"
    network = network_of(variant.network, resolution, where)
    objective = component(objectives, Objective, variant.objective, f"{where}.objective")
    constraint = component(constraints, Constraint, variant.constraint, f"{where}.constraint")
    optimizer = component(optimizers, Optimizer, variant.optimizer, f"{where}.optimizer")
    if reason := constraint.refusal(network, objective):
        raise UserError(f"params.yaml: {where}.constraint = {variant.constraint.name!r}: {reason}")
    return network, objective, constraint, optimizer


class Adversarial:
    """A generator and a critic with their optimisers and ordered updates, on one device."""

    def __init__(self, name: str, variant: Variant, training: Training, resolution: int, seed: int, device: str):
        network, self.objective, self.constraint, optimizer = parts(name, variant, resolution)
        self.components = {
            "network": network,
            "objective": self.objective,
            "constraint": self.constraint,
            "optimizer": optimizer,
        }
        generator = initialise(network, network.generator(resolution, training.latent), seed, "generator")
        critic = initialise(network, network.critic(resolution), seed, "critic")
        self.modules: dict[str, nn.Module] = {
            name: module.to(device, memory_format=torch.channels_last)  # half as fast again on a CPU
            for name, module in (("generator", generator), ("critic", critic))
        }
        self.optimizers: dict[str, optim.Optimizer] = {
            key: optimizer.build(module.parameters()) for key, module in self.modules.items()
        }
        self.updates = (
            Update(
                name="critic",
                trains="critic",
                loss=self._critic_loss,
                repeat=variant.critic_steps.at,
                uses_real=True,
                before=lambda: self.constraint.before_step(critic),
                after=lambda: self.constraint.after_step(critic),
            ),
            Update("generator", "generator", self._generator_loss, repeat=lambda iteration: 1, uses_real=False),
        )

    def _critic_loss(self, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        with torch.no_grad():
            fake = self.modules["generator"](draws.latent())
        critic = self.modules["critic"]
        scores = _scores(critic, draws.real), _scores(critic, fake)
        loss = self.objective.critic_loss(*scores)
        penalty, values = self.constraint.penalty(critic, draws.real, fake, draws.uniform())
        return loss + penalty, {
            "critic_loss": loss.detach(),
            "estimate": self.objective.estimate(*scores).detach(),
        } | values

    def _generator_loss(self, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        scores = _scores(self.modules["critic"], self.modules["generator"](draws.latent()))
        loss = self.objective.generator_loss(scores)
        return loss, {"generator_loss": loss.detach()}

    def validation(self, real: Tensor, latent: Tensor) -> dict[str, Tensor]:
        """Critic loss (without penalty) and estimate on held-out images, networks in evaluation mode."""
        critic, fake = self.modules["critic"], self.modules["generator"](latent)
        scores = _scores(critic, real), _scores(critic, fake)
        return {
            "validation_critic_loss": self.objective.critic_loss(*scores),
            "validation_estimate": self.objective.estimate(*scores),
        }


def _scores(critic: nn.Module, images: Tensor) -> Tensor:
    """The critic's scores in float32 or better, at whatever precision it runs."""
    scores = critic(images)
    return scores.to(torch.promote_types(scores.dtype, torch.float32))
