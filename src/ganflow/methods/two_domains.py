"""Translations between two domains of which no pairs are known: CycleGAN, DiscoGAN and DualGAN are one algorithm with
other losses. Two translators, G from the first domain to the second and F back, and a critic of each domain.
"""

from abc import ABC
from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganflow.config import Name
from ganflow.data.conditions.counterpart import Counterpart
from ganflow.errors import UserError
from ganflow.methods.components import Constraint, Objective
from ganflow.methods.draws import SAMPLES, Draws
from ganflow.methods.family_model import full_precision
from ganflow.methods.interfaces import Data, Model, Player, Task, Translation, Values, loss_charts
from ganflow.methods.translation import TranslationMethod, TranslationModel

FIRST, SECOND = "first_domain", "second_domain"  # roles
CRITICS = ("critic", "inverse_critic")

Domain = dict[Name, str]


class TwoDomains(TranslationMethod, ABC):
    """Critics: the objective's loss on images of a domain and translations to it; translators: its generator loss,
    weight E d(F(G(a)), a) + weight E d(G(F(b)), b), and identity weight (E |G(b) - b| + E |F(a) - a|)."""

    players: ClassVar = ("critic", "generator")
    objective: ClassVar[Objective]
    constraint: ClassVar[Constraint]  # of both critics
    power: ClassVar[Literal[1, 2]]  # of d: the mean absolute or squared difference
    domains: tuple[Domain, Domain] = Field(
        strict=False,
        description="{attribute: value} of the images of each, such as [{time: day}, {time: night}]; `class` is an "
        "attribute of data with classes",
        examples=[[{"class": "car"}, {"class": "boat"}]],
    )
    weight: float = Field(10.0, ge=0, description="lambda of the way there and back")
    identity: float = Field(0.0, ge=0, description="weight, times lambda, of leaving images of the other domain alone")
    buffer: int = Field(
        50, ge=0, le=100_000, description="earlier translations, half of which critics see in place of the newest ones"
    )
    critic_steps: int = Field(1, ge=1, le=100, description="critic updates for each update of the translators")

    def check(self, task: Task) -> None:
        """Also raises UserError for a domain that nothing is known of, and for a buffer smaller than a batch."""
        super().check(task)
        kinds = {condition.kind for condition in task.conditions.values()}
        for domain in self.domains:
            if not domain:
                raise UserError(f"params.yaml: {task.key}.domains: a domain is empty; write {{attribute: value}}")
            for name in domain:
                if not (task.labelled if name == "class" else "attributes" in kinds):
                    wanted = "classes" if name == "class" else "attributes; name the condition `attributes` of it"
                    raise UserError(f"params.yaml: {task.key}.domains: {name}: {task.dataset} has no {wanted}")
        if self.domains[0] == self.domains[1]:
            raise UserError(f"params.yaml: {task.key}.domains: are equal; name two different ones")
        if 0 < self.buffer < task.training.batch_size:
            raise UserError(
                f"params.yaml: {task.key}.buffer = {self.buffer}: is smaller than training.batch_size = "
                f"{task.training.batch_size}; raise it, or write 0 for none"
            )

    def build(self, task: Task, data: Data, seed: int, device: str) -> Model:
        return TwoDomainsModel(self, task, seed, device)

    def between(self, images: Tensor, others: Tensor) -> Tensor:
        """d of two batches of images: a mean over their numbers."""
        difference = images - others
        return difference.abs().mean() if self.power == 1 else difference.square().mean()


class TwoDomainsModel(TranslationModel):
    """G is `generator`, F `inverse`; `critic` is the second domain's, `inverse_critic` the first's."""

    held_out_loss = "validation_cycle_error"
    role = FIRST

    def __init__(self, chosen: TwoDomains, task: Task, seed: int, device: str):
        target = _counterpart(task, chosen.domains)
        there, back = (Translation(SAMPLES, target, domain) for domain in chosen.domains)
        translators = {"generator": (3, there), "inverse": (3, back)}
        super().__init__(task, seed, device, translators, {"critic": 3, "inverse_critic": 3})
        self.chosen, self.target, self.objective = chosen, target, chosen.objective
        self.roles = dict(zip((FIRST, SECOND), chosen.domains, strict=True))
        translating = ("generator", "inverse")
        for name in CRITICS:
            chosen.constraint.prepare(self.modules[name], seed, name)
        if chosen.buffer:
            side = task.shape[0]
            self.state = {name: torch.zeros(chosen.buffer, 3, side, side, device=device) for name in translating}
        self.players = (
            Player(
                "critic",
                CRITICS,
                self._critic_loss,
                task.optimizer("critic"),
                repeat=lambda iteration: chosen.critic_steps,
                roles=(FIRST, SECOND),
                before=lambda: self._constrain(chosen.constraint.before_step),
                after=lambda: self._constrain(chosen.constraint.after_step),
            ),
            Player("generator", translating, self._generator_loss, task.optimizer("generator"), roles=(FIRST, SECOND)),
        )
        legend = self.objective.legend
        label = f"critic loss (minimised)\n{legend.critic_loss}"
        error = "mean |F(G(a)) − a|, |G(F(b)) − b|, pixels in [−1, 1]"
        self.charts = loss_charts("cycle_error", task.name, error) + loss_charts(
            "critic_loss", f"{task.name}, critic", label, legend.chance_loss
        )
        if target:
            known = "mean |G(a) − counterpart of a|, pixels in [−1, 1]"
            self.charts += loss_charts("counterpart_error", f"{task.name}, counterpart", known)
        self.summary = (f"{task.variant.method.name}, lambda {chosen.weight:g}",)
        self.grids = (self.grid(),)

    def _constrain(self, change: Callable[[nn.Module], None]) -> None:
        for name in CRITICS:
            change(self.modules[name])

    def _translated(self, name: str, images: Tensor, draws: Draws, purpose: str) -> Tensor:
        return self.translated(self.modules[name], images, draws, f"latent/{name}/{purpose}")

    def _scores(self, critic: str, images: Tensor) -> Tensor:
        return full_precision(self.modules[critic](images))

    def _domains(self, draws: Draws) -> tuple[Tensor, Tensor]:
        return draws.batch(FIRST).values, draws.batch(SECOND).values

    def _there(self, draws: Draws) -> tuple[Tensor, Tensor]:
        """Translations of the first domain's images to the second, and of the second's to the first."""
        first, second = self._domains(draws)
        return self._translated("generator", first, draws, "there"), self._translated("inverse", second, draws, "there")

    def _critic_losses(self, draws: Draws, to_second: Tensor, to_first: Tensor) -> tuple[Tensor, Tensor]:
        first, second = self._domains(draws)
        of_second = self.objective.critic_loss(self._scores("critic", second), self._scores("critic", to_second))
        real, fake = self._scores("inverse_critic", first), self._scores("inverse_critic", to_first)
        return of_second, self.objective.critic_loss(real, fake)

    def _critic_loss(self, draws: Draws) -> tuple[Tensor, Values]:
        with torch.no_grad():
            to_second, to_first = self._there(draws)
            if self.chosen.buffer:
                to_second = self._exchanged("generator", to_second, draws)
                to_first = self._exchanged("inverse", to_first, draws)
        losses = self._critic_losses(draws, to_second, to_first)
        total = losses[0] + losses[1]
        return total, {"critic_loss": (total / 2).detach()}

    def _exchanged(self, name: str, images: Tensor, draws: Draws) -> Tensor:
        """Each image, or by a chance of 1/2 an earlier one, whose place in the buffer it takes; the images themselves
        while the buffer fills."""
        buffer, count, (iteration, repetition) = self.state[name], len(images), draws.step
        start = (iteration * self.chosen.critic_steps + repetition) * count
        if start < len(buffer):
            room = min(count, len(buffer) - start)
            buffer[start : start + room] = images[:room].to(buffer.dtype)
            return images
        places = draws.uniform(f"buffer/{name}/places", (len(buffer),)).argsort()[:count]
        kept = (draws.uniform(f"buffer/{name}/kept", (count,)) < 0.5)[:, None, None, None]
        earlier = buffer[places].to(images.dtype)
        buffer[places] = torch.where(kept, images, earlier).to(buffer.dtype)
        return torch.where(kept, earlier, images)

    def _cycle_errors(self, draws: Draws, to_second: Tensor, to_first: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Images of each domain with what the way there and back makes of them."""
        first, second = self._domains(draws)
        return [
            (first, self._translated("inverse", to_second, draws, "back")),
            (second, self._translated("generator", to_first, draws, "back")),
        ]

    def _generator_loss(self, draws: Draws) -> tuple[Tensor, Values]:
        to_second, to_first = self._there(draws)
        adversarial = self.objective.generator_loss(self._scores("critic", to_second))
        adversarial = adversarial + self.objective.generator_loss(self._scores("inverse_critic", to_first))
        pairs = self._cycle_errors(draws, to_second, to_first)
        cycle = torch.stack([self.chosen.between(one, other) for one, other in pairs]).sum()
        loss = adversarial + self.chosen.weight * cycle
        if self.chosen.identity:
            first, second = self._domains(draws)
            unchanged = (self._translated("generator", second, draws, "identity") - second).abs().mean()
            unchanged = unchanged + (self._translated("inverse", first, draws, "identity") - first).abs().mean()
            loss = loss + self.chosen.identity * self.chosen.weight * unchanged
        return loss, {"generator_loss": (adversarial / 2).detach(), "cycle_loss": (cycle / 2).detach()}

    @torch.no_grad()
    def validation(self, draws: Draws) -> Values:
        to_second, to_first = self._there(draws)
        losses = self._critic_losses(draws, to_second, to_first)
        pairs = self._cycle_errors(draws, to_second, to_first)
        errors = torch.stack([(one - other).abs().mean() for one, other in pairs])
        found = {"validation_cycle_error": errors.mean(), "validation_critic_loss": (losses[0] + losses[1]) / 2}
        if self.target:
            expected = draws.batch(FIRST).images(self.target)
            found["validation_counterpart_error"] = (to_second - expected).abs().mean()
        return found


def _counterpart(task: Task, domains: tuple[Domain, Domain]) -> str:
    """The condition that holds the first domain's images as they would be in the second; empty if there is none."""
    for name, condition in task.conditions.items():
        if isinstance(condition, Counterpart):
            values = [domain.get(condition.attribute) for domain in domains]
            if all(len(domain) == 1 for domain in domains) and values in (
                list(condition.values),
                list(condition.values)[::-1],
            ):
                return name
    return ""
