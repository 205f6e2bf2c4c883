"""The generator's losses as functions of D(G(z)) (GAN, arXiv 1406.2661, section 3; Goodfellow's tutorial, arXiv
1701.00160, figure 16): which of them has a gradient where the discriminator rejects a sample."""

import numpy as np
import torch

from ganflow.methods.components import Objective
from ganflow.methods.objectives.minimax import Minimax
from ganflow.methods.objectives.non_saturating import NonSaturating
from ganflow.studies.interfaces import Findings, Panel, Study, line

OBJECTIVES = {"minimax: log(1 − D)": Minimax, "non-saturating: −log D": NonSaturating}


class Saturation(Study):
    """Losses and their gradients with respect to the logit, by the objectives that trainings use."""

    def run(self) -> Findings:
        chance = np.concatenate([np.geomspace(1e-4, 0.05, 60), np.linspace(0.05, 0.999, 120)[1:]])
        losses, slopes, numbers = [], [], {}
        for colour, (name, objective) in enumerate(OBJECTIVES.items()):
            loss, slope = loss_and_slope(objective(), chance)
            losses.append(line(name, chance, loss, colour))
            slopes.append(line(name, chance, slope, colour))
            numbers[f"slope_when_rejected_{name.partition(':')[0].replace('-', '_')}"] = float(slope[0])
        caption = (
            "The generator's loss for one sample against D(G(z)), and the absolute value of its gradient with respect "
            "to the discriminator's logit. Where the discriminator rejects the sample (left) the minimax loss is flat, "
            "so the generator learns least when it is worst; the non-saturating loss has the same fixed point and a "
            "gradient of 1 there."
        )
        return Findings(
            caption,
            (
                Panel("Loss of the generator", "D(G(z))", "loss (minimised)", tuple(losses)),
                Panel("Its gradient", "D(G(z))", "|d loss / d logit|", tuple(slopes), log_x=True, log_y=True),
            ),
            numbers,
        )


def loss_and_slope(objective: Objective, chance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The generator's loss for single samples with D = `chance`, (n,) in (0, 1), and |d loss / d logit|."""
    logits = torch.logit(torch.from_numpy(chance)).requires_grad_()
    loss = torch.stack([objective.generator_loss(logit[None]) for logit in logits])
    [slope] = torch.autograd.grad(loss.sum(), logits)
    return loss.detach().numpy(), slope.abs().numpy()
