"""InfoGAN (Chen et al., arXiv 1606.03657, equations 5 and 6): a GAN whose generator keeps information on some of its
codes, by the bound that an auxiliary distribution Q(c|x) gives.

As in the authors' code, Q shares all layers of the critic but the last, and both players minimise its loss. The
continuous codes are the first numbers of the latent vector, so their prior is normal, where the paper's is uniform.
"""

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ganflow.errors import UserError
from ganflow.methods.draws import SAMPLES, Draws
from ganflow.methods.family_model import FamilyMethod, FamilyModel, full_precision
from ganflow.methods.interfaces import Chart, Data, Grid, Model, Player, Task, Values, loss_charts, means
from ganflow.methods.objectives.non_saturating import NonSaturating
from ganflow.networks.codes import codes

OBJECTIVE = NonSaturating()
STEPS, ROWS, REACH = 8, 2, 2.0  # of a traversal: values of a code, rows, and the largest value, in deviations


class InfoGAN(FamilyMethod):
    """Critic: V(D) - L_I; generator: -E log D(G(z, c)) - L_I, L_I the bounds on I(c; G(z, c)), weighted by kind."""

    about: ClassVar = (
        "InfoGAN (arXiv 1606.03657): a categorical and some continuous codes of the generator, about which its samples "
        "keep information"
    )
    players: ClassVar = ("critic", "generator")
    categories: int = Field(10, ge=0, description="values of the categorical code; 0: there is none")
    continuous: int = Field(2, ge=0, description="number of continuous codes: the first numbers of the latent vector")
    weight: float = Field(1.0, ge=0, description="lambda of the categorical code's information")
    continuous_weight: float = Field(0.1, ge=0, description="lambda of the continuous codes' information")

    def check(self, task: Task) -> None:
        super().check(task)
        if self.categories == 1 or not self.categories + self.continuous:
            raise UserError(
                f"params.yaml: {task.key}.categories = {self.categories}: no code holds information; write 2 or more"
            )
        if self.continuous > task.training.latent:
            raise UserError(
                f"params.yaml: {task.key}.continuous = {self.continuous}: the latent vector has only "
                f"{task.training.latent} numbers; raise training.latent, or lower it"
            )

    def build(self, task: Task, data: Data, seed: int, device: str) -> Model:
        return InfoGANModel(self, task, data, seed, device)


class InfoGANModel(FamilyModel):
    """A generator, and a critic with the outputs of Q: logits of the categories, means and log variances."""

    held_out_loss = "validation_critic_loss"

    def __init__(self, chosen: InfoGAN, task: Task, data: Data, seed: int, device: str):
        self.chosen, self.classes, self.labelled = chosen, chosen.categories, data.classes > 0
        outputs = 1 + chosen.categories + 2 * chosen.continuous
        super().__init__(task, seed, device, {"generator": task.training.latent}, critics={"critic": outputs})
        self.players = (
            Player("critic", ("critic",), self._critic_loss, task.optimizer("critic"), roles=(SAMPLES,)),
            Player("generator", ("generator",), self._generator_loss, task.optimizer("generator")),
        )
        legend = OBJECTIVE.legend
        label = f"critic loss (minimised)\n{legend.critic_loss}"
        self.charts = (*loss_charts("critic_loss", task.name, label, legend.chance_loss), *self._charts(task))
        self.grids = self._traversals(task)
        self.summary = (f"infogan, {chosen.categories} categories, {chosen.continuous} continuous",)

    def _charts(self, task: Task) -> tuple[Chart, ...]:
        found = []
        if self.classes:
            title, label = "Information on the category", "E log Q(c|x) + log k, in nats\n(k categories)"
            level = math.log(self.classes)
            found += [Chart("validation_information", "codes", f"of {self.classes}", title, label, level)]
            if self.labelled:
                label = "held-out samples in their\ncategory's commonest class"
                found += [Chart("validation_purity", "codes", "purity", "Purity of the categories", label)]
        if self.chosen.continuous:
            title, label = "Information on the continuous codes", "E log Q(c|x) + H(c), in nats"
            axis = f"of {self.chosen.continuous} continuous"
            found += [Chart("validation_continuous_information", "codes", axis, title, label)]
        return tuple(found)

    def _scored(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (n,) and the outputs of Q, (n, categories + 2 continuous)."""
        outputs = full_precision(self.modules["critic"](samples))
        return outputs[:, 0], outputs[:, 1:]

    def _drawn(self, draws: Draws) -> tuple[Tensor, Tensor]:
        """Latent vectors and categories."""
        latent = draws.normal("latent", (draws.size, self.latent))
        return latent, draws.integers("classes", (draws.size,), self.classes)

    def _generated(self, latent: Tensor, labels: Tensor) -> Tensor:
        return full_precision(self.modules["generator"](codes(latent, labels, self.classes)))

    def information(self, outputs: Tensor, latent: Tensor, labels: Tensor) -> Values:
        """The bounds E log Q(c|x) + H(c) in nats, of the categorical and of all continuous codes, by the outputs of Q
        for samples that were generated from these codes."""
        found: Values = {}
        logits, mean, log_variance = outputs.split([self.classes, *[self.chosen.continuous] * 2], dim=1)
        if self.classes:
            found["information"] = math.log(self.classes) - cross_entropy(logits, labels)
        if self.chosen.continuous:
            error = (latent[:, : self.chosen.continuous] - mean).square()
            surprise = (error * (-log_variance).exp() + log_variance) / 2  # without the constant that H(c) has too
            found["continuous_information"] = (0.5 - surprise).sum(1).mean()
        return found

    def _kept(self, terms: Values) -> Tensor:
        """The weighted information."""
        weights = {"information": self.chosen.weight, "continuous_information": self.chosen.continuous_weight}
        return torch.stack([weights[name] * term for name, term in terms.items()]).sum()

    def _critic_terms(self, draws: Draws, latent: Tensor, labels: Tensor, fake: Tensor) -> tuple[Tensor, Values]:
        real_scores, (fake_scores, outputs) = self._scored(draws.batch().values)[0], self._scored(fake)
        return OBJECTIVE.critic_loss(real_scores, fake_scores), self.information(outputs, latent, labels)

    def _critic_loss(self, draws: Draws) -> tuple[Tensor, Values]:
        latent, labels = self._drawn(draws)
        with torch.no_grad():
            fake = self._generated(latent, labels)
        loss, terms = self._critic_terms(draws, latent, labels, fake)
        return loss - self._kept(terms), {"critic_loss": loss.detach()}

    def _generator_loss(self, draws: Draws) -> tuple[Tensor, Values]:
        latent, labels = self._drawn(draws)
        scores, outputs = self._scored(self._generated(latent, labels))
        loss, terms = OBJECTIVE.generator_loss(scores), self.information(outputs, latent, labels)
        values = {"generator_loss": loss.detach()} | {name: term.detach() for name, term in terms.items()}
        return loss - self._kept(terms), values

    @torch.no_grad()
    def validation(self, draws: Draws) -> Values:
        latent, labels = self._drawn(draws)
        loss, terms = self._critic_terms(draws, latent, labels, self._generated(latent, labels))
        return {"validation_critic_loss": loss} | {f"validation_{name}": term for name, term in terms.items()}

    def monitor(self, held_out: Sequence[Draws]) -> dict[str, float]:
        """Means over held-out samples and, if both have classes, the purity of Q's categories on real ones."""
        found = means(held_out, self.validation)
        if self.classes and self.labelled:
            found["validation_purity"] = self._purity(held_out)
        return found

    @torch.no_grad()
    def _purity(self, held_out: Sequence[Draws]) -> float:
        categories = torch.cat(
            [self._scored(draws.batch().values)[1][:, : self.classes].argmax(1) for draws in held_out]
        )
        return purity(categories, torch.cat([draws.batch().labels for draws in held_out]))

    def _traversals(self, task: Task) -> tuple[Grid, ...]:
        """A grid of what the continuous codes change; none for points."""
        count = self.chosen.continuous
        if len(task.shape) == 1 or not count:
            return ()

        def make(module: nn.Module, draws: Draws) -> Tensor:
            latent = draws.normal("traversals", (ROWS, self.latent)).repeat_interleave(STEPS, 0).repeat(count, 1)
            rows = torch.arange(count * ROWS, device=latent.device).repeat_interleave(STEPS)
            values = torch.linspace(-REACH, REACH, STEPS, device=latent.device).repeat(count * ROWS)
            latent[torch.arange(len(rows), device=latent.device), rows // ROWS] = values
            return module(codes(latent, rows % ROWS % max(self.classes, 1), self.classes)).float()

        caption = (
            f"{ROWS} rows for each continuous code, which goes from −{REACH:g} to {REACH:g} while the other codes "
            "of the row stay."
        )
        return (Grid("traversals", "Traversals of the continuous codes", caption, STEPS, make),)


def purity(categories: Tensor, labels: Tensor) -> float:
    """The share of samples whose label is the commonest one of their category; both (n,) int64."""
    pairs = torch.stack([categories, labels])
    found, counts = pairs.unique(dim=1, return_counts=True)
    return sum(int(counts[found[0] == category].max()) for category in found[0].unique()) / len(labels)
