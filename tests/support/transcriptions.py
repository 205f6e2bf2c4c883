"""What literal transcriptions of papers' algorithms share with the training loop, networks and drawn numbers, and the
optimisers as their papers have them; all in float64."""

import re
from collections import defaultdict
from copy import deepcopy

import numpy as np
import torch
from models import CONDITIONS
from torch import Tensor

from ganflow.config import Training, Variant
from ganflow.data.reader import Part
from ganflow.methods.draws import Batch, Draws
from ganflow.methods.interfaces import Data, Task
from ganflow.methods.tasks import method_of
from ganflow.training import loop
from ganflow.training.loop import Trainer
from ganflow.training.state import State

SIZE, LATENT, ITERATIONS = 5, 4, 3
MLP = {"mlp": {"width": 6, "layers": 2}}
DCGAN = {"dcgan": {"width": 3}}


class Pictures:
    """A labelled data set in memory."""

    count, classes = 40, ("a", "b", "c")

    def __init__(self, side: int):
        self.shape, self.dtype, self.index = (side, side, 3), np.dtype(np.uint8), None
        self.pixels = np.random.default_rng(0).integers(0, 256, (self.count, side, side, 3), dtype=np.uint8)

    def samples(self, indices: np.ndarray) -> np.ndarray:
        return self.pixels[indices]

    def labels(self, indices: np.ndarray) -> np.ndarray:
        return indices % 3

    def first(self, count: int) -> np.ndarray:
        return self.pixels[:count]

    def part(self, where: dict[str, str]) -> Part:
        """The pictures of a class."""
        return Part(self, np.flatnonzero(np.arange(self.count) % 3 == self.classes.index(where["class"])))


class DoubleDraws(Draws):
    """The loop's own draws as float64, kept in the order of the steps."""

    made: list["DoubleDraws"] = []

    def __init__(self, *arguments):
        super().__init__(*arguments)
        double = {}
        for role, batch in self.batches.items():
            pixels = ((batch.values + 1) * 127.5).round().double()
            exact = pixels / 127.5 - 1
            double[role] = Batch(exact, batch.read_labels, lambda name, exact=exact: exact[:, :1])
        self.batches = double
        DoubleDraws.made.append(self)

    def normal(self, name: str, shape: tuple[int, ...]) -> Tensor:
        return super().normal(name, shape).double()

    def uniform(self, name: str, shape: tuple[int, ...]) -> Tensor:
        return super().uniform(name, shape).double()

    @property
    def real(self) -> Tensor:
        return self.batch().values

    @property
    def latent(self) -> Tensor:
        return self.normal("latent", (self.size, LATENT))


def run(monkeypatch, variant: dict, side: int = 8, **training) -> tuple[dict, dict, list[DoubleDraws]]:
    """Networks before and after whole iterations of the loop, and the draws of its steps."""
    before, work, draws = trained(monkeypatch, {"critic_steps": 2} | variant, side, **training)
    return before, work.model.modules, draws


def trained(monkeypatch, variant: dict, side: int = 8, **training) -> tuple[dict, Trainer, list[DoubleDraws]]:
    """Networks before whole iterations of the loop, the trainer after them, and the draws of its steps."""
    monkeypatch.setattr(loop, "Draws", DoubleDraws)
    monkeypatch.setattr(DoubleDraws, "made", [])
    chosen = Variant.model_validate({"network": MLP} | variant)
    small = {"iterations": ITERATIONS, "batch_size": SIZE, "latent": LATENT}
    settings = Training.model_validate(small | training)
    pictures = Pictures(side)
    task = Task("v", chosen, settings, pictures.shape, conditions=CONDITIONS)
    model = method_of(task).build(task, Data(3, pictures.first), 0, "cpu")
    for module in model.modules.values():
        module.double()
    for tensor in model.state.values():
        tensor.data = tensor.double()
    before = deepcopy(model.modules)
    work, state = Trainer("test", model, settings, 0, "cpu", pictures, pictures), State()
    for _ in range(ITERATIONS):
        work.iterate(state, defaultdict(list))
        state.iteration += 1
    return before, work, DoubleDraws.made


def assert_equal(found: dict, expected: dict, free: str = "nothing", rounding: float = 1e-9) -> None:
    """Every parameter and buffer up to 1e-12, and up to `rounding` those that the loss may not depend on: an optimiser
    that divides by the size of a gradient makes steps of the rounding errors there."""
    for key, module in expected.items():
        for (name, one), other in zip(module.state_dict().items(), found[key].state_dict().values(), strict=True):
            bound = rounding if re.fullmatch(free, f"{key}.{name}") else 1e-12
            assert (one - other).abs().max() <= bound, f"{key}.{name}"


def one_hot(labels: Tensor, count: int) -> Tensor:
    rows = torch.zeros(len(labels), count, dtype=torch.float64)
    for row, label in zip(rows, labels, strict=True):
        row[label] = 1
    return rows


def bce(scores: Tensor, label: int) -> Tensor:
    """-E log D, or -E log(1 - D) with label 0; D = sigmoid(score)."""
    chance = torch.sigmoid(scores)
    return -torch.log(chance if label else 1 - chance).sum() / len(scores)


class Adam:
    """Kingma and Ba, Algorithm 1."""

    def __init__(self, beta1: float, beta2: float):
        self.betas, self.moments, self.t = (beta1, beta2), {}, 0

    def step(self, module, loss: Tensor, lr: float) -> None:
        self.t += 1
        weights = list(module.parameters())
        for index, (w, g) in enumerate(zip(weights, torch.autograd.grad(loss, weights), strict=True)):
            m, v = self.moments.get(index, (torch.zeros_like(w), torch.zeros_like(w)))
            (b1, b2) = self.betas
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
            self.moments[index] = m, v
            w.data = w.data - lr * (m / (1 - b1**self.t)) / (torch.sqrt(v / (1 - b2**self.t)) + 1e-8)


class RMSProp:
    """Tieleman and Hinton's; `start` and where epsilon stands tell torch's from TensorFlow 1's."""

    def __init__(self, rho: float, start: float, inside: float, outside: float):
        self.rho, self.start, self.inside, self.outside, self.squares = rho, start, inside, outside, {}

    def step(self, module, loss: Tensor, lr: float) -> None:
        weights = list(module.parameters())
        for index, (w, g) in enumerate(zip(weights, torch.autograd.grad(loss, weights), strict=True)):
            square = self.rho * self.squares.get(index, torch.full_like(w, self.start)) + (1 - self.rho) * g**2
            self.squares[index] = square
            w.data = w.data - lr * g / (torch.sqrt(square + self.inside) + self.outside)


def torch_rmsprop() -> RMSProp:
    return RMSProp(0.99, 0.0, 0.0, 1e-8)


def tf1_rmsprop() -> RMSProp:
    return RMSProp(0.9, 1.0, 1e-10, 0.0)


def iterations(draws: list[DoubleDraws], critic_steps: int = 2):
    """The draws of each iteration: those of the critic's steps, and the generator's."""
    for start in range(0, len(draws), critic_steps + 1):
        yield draws[start : start + critic_steps], draws[start + critic_steps]


def wgan_gp_loss(score, x: Tensor, x_tilde: Tensor, epsilon: Tensor, one_sided: bool = False) -> Tensor:
    """WGAN-GP, Algorithm 1, lines 4 to 8, for one sample; lambda = 10."""
    x_hat = (epsilon * x + (1 - epsilon) * x_tilde).requires_grad_()
    [gradient] = torch.autograd.grad(score(x_hat), x_hat, create_graph=True)
    norm = torch.sqrt((gradient**2).sum())
    excess = torch.maximum(norm - 1, torch.tensor(0.0)) if one_sided else norm - 1
    return score(x_tilde) - score(x) + 10 * excess**2


TABLE_2 = {  # f-GAN: output activation g_f and conjugate f*
    "total_variation": (lambda v: torch.tanh(v) / 2, lambda t: t),
    "kl": (lambda v: v, lambda t: torch.exp(t - 1)),
    "reverse_kl": (lambda v: -torch.exp(-v), lambda t: -1 - torch.log(-t)),
    "pearson": (lambda v: v, lambda t: t**2 / 4 + t),
    "squared_hellinger": (lambda v: 1 - torch.exp(-v), lambda t: t / (1 - t)),
    "jensen_shannon": (
        lambda v: torch.log(torch.tensor(2.0, dtype=v.dtype)) - torch.log(1 + torch.exp(-v)),
        lambda t: -torch.log(2 - torch.exp(t)),
    ),
    "gan": (lambda v: -torch.log(1 + torch.exp(-v)), lambda t: -torch.log(1 - torch.exp(t))),
}
