"""What methods that translate images share: translators and critics of one family, and figures of translations."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from ganflow.data.interfaces import Condition
from ganflow.errors import UserError
from ganflow.methods.draws import SAMPLES, Draws
from ganflow.methods.family_model import FamilyMethod, full_precision
from ganflow.methods.interfaces import Export, Grid, Model, Task, Translation, on_device
from ganflow.networks.building import Blueprint, initialise, network_of
from ganflow.networks.interfaces import Network
from ganflow.networks.translation import TranslationNetwork

ROWS = 8  # of a grid


class TranslationMethod(FamilyMethod):
    """A method that trains translators, which take as many latent numbers as their network says."""

    family: ClassVar[type[Network]] = TranslationNetwork


def condition_of(task: Task, name: str, key: str, kind: str = "image") -> Condition:
    """The condition of a name and kind that accompanies a task's images; `key` is the method's, for messages. Raises
    UserError if there is none."""
    if (found := task.conditions.get(name)) is not None and found.kind == kind:
        return found
    having = ", ".join(known for known, condition in task.conditions.items() if condition.kind == kind)
    raise UserError(
        f"params.yaml: {task.key}.{key} = {name!r}: {task.dataset} has no such condition; name it in its "
        f"`conditions`{f', or choose of {having}' if having else ''}"
    )


class TranslationModel(Model):
    """Translators and critics by name; the translator called `generator` is scored."""

    role: str = SAMPLES  # whose samples it takes

    def __init__(
        self,
        task: Task,
        seed: int,
        device: str,
        translators: Mapping[str, tuple[int, Translation]],
        critics: Mapping[str, int],
    ):
        """{name: (channels of the images that it takes, what it translates)} of `translators`, {name: channels} of
        `critics`."""
        choice, side = task.variant.network, task.shape[0]
        network = network_of(choice, task.shape, f"variants.{task.name}.network")
        self.latent = network.latent(side) or 0
        plans = {
            name: Blueprint(choice, "translator", {"resolution": side, "channels": channels})
            for name, (channels, _) in translators.items()
        } | {
            name: Blueprint(choice, "critic", {"resolution": side, "channels": channels, "outputs": 1})
            for name, channels in critics.items()
        }
        made = {name: initialise(network, plan.module(network), seed, name) for name, plan in plans.items()}
        self.modules = on_device(device, made)
        self.exports = {
            name: Export(
                self.modules[name],
                plans[name],
                "latent and images",
                "samples",
                averaged=name == "generator",
                translation=translation,
            )
            for name, (_, translation) in translators.items()
        } | {name: Export(self.modules[name], plans[name], "samples", "scores") for name in critics}

    @property
    def translation(self) -> Translation:
        """What the scored translator translates."""
        found = self.exports[self.scored].translation
        assert found is not None, "it is a translator"
        return found

    def translated(self, module: nn.Module, images: Tensor, draws: Draws, name: str = "latent") -> Tensor:
        """What a translator makes of images, with the draws' latent numbers of a name."""
        return full_precision(module(draws.normal(name, (len(images), self.latent)), images))

    def sample(self, module: nn.Module, draws: Draws, labels: Tensor) -> Tensor:
        return self.translated(module, draws.batch(self.role).images(self.translation.source), draws).float()

    def grid(self) -> Grid:
        """Held-out images, a row each: what is translated, the translation, and what it should be, if that is known."""
        columns = 3 if self.translation.target else 2

        def make(module: nn.Module, draws: Draws) -> Tensor:
            batch = draws.batch(self.role)
            given = batch.images(self.translation.source)[:ROWS]
            shown = [given, self.translated(module, given, draws)]
            if self.translation.target:
                shown.append(batch.images(self.translation.target)[:ROWS])
            return torch.stack([coloured(images).float() for images in shown], dim=1).flatten(0, 1)

        last = ", and the image itself" if self.translation.target == SAMPLES else ", and what it should be"
        caption = f"Held-out images, a row each: what is given, its translation{last if columns == 3 else ''}."
        return Grid("translations", "Translations", caption, columns, make)


def coloured(images: Tensor) -> Tensor:
    """Grey images, (n, 1, h, w), as (n, 3, h, w); others as they are."""
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
