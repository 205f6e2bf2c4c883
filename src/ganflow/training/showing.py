"""What a run shows of its samples while it trains: a grid of images, or a picture of points with what the critic makes
of them. The loop asks for one or the other by the shape of the samples, and knows no more of it."""

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ganflow.artifacts import write_file
from ganflow.data.reader import Shards
from ganflow.methods.adversarial import Adversarial
from ganflow.methods.interfaces import Draws
from ganflow.training.images import encoded, write_grid
from ganflow.training.transport import transport_cosine
from ganflow.training.weights import save_tensors

SIDE = 256  # pixels of a picture of points
LATTICE = {1: 257, 2: 65}  # places a side at which the critic is drawn, by dimension
MARGIN = 0.25  # of the data's extent, around it
REAL, FAKE = (150, 150, 150), (213, 94, 0)


class Showing(ABC):
    """Shows side x side samples of the same latent vectors in every iteration."""

    def __init__(self, side: int):
        self.side = side

    @abstractmethod
    def write(self, folder: Path, iteration: int, samples: Tensor, method: Adversarial) -> None:
        """Writes <iteration>.png, and beside it what a report needs besides."""

    def row(self, method: Adversarial, draws: Draws) -> dict[str, Tensor]:
        """What a journal row says of held-out samples beyond what it says of any data."""
        return {}


class ImageGrid(Showing):
    """Images, (n, 3, H, W) in [-1, 1], row by row."""

    def write(self, folder: Path, iteration: int, samples: Tensor, method: Adversarial) -> None:
        write_grid(folder / f"{iteration:09d}.png", samples, self.side)


class PointPicture(Showing):
    """Points, (n, d): a picture of them on held-out ones, and <iteration>.safetensors.

    That holds the `points`, the held-out `real` ones, the `window` (d, 2) they are seen in, the critic's scores on a
    lattice in it (`surface`: in one dimension (257,), in two (65, 65), the first coordinate first), and
    `gradient_norms`, (l,): the norm of the gradient of the critic's loss, without penalty, in the outputs of each of
    its linear layers, over all these points.
    """

    def __init__(self, side: int, held_out: Shards):
        super().__init__(side)
        points = held_out.samples(np.arange(min(side * side, held_out.count)))
        self.real, self.window = torch.from_numpy(points), window_of(points)

    def write(self, folder: Path, iteration: int, samples: Tensor, method: Adversarial) -> None:
        known = {
            "points": samples.cpu(),
            "real": self.real,
            "window": torch.from_numpy(self.window),
            "gradient_norms": self._gradient_norms(samples, method),
        }
        if samples.shape[1] in LATTICE:
            known["surface"] = self._surface(samples, method)
        save_tensors(folder / f"{iteration:09d}.safetensors", known, {"iteration": iteration})
        picture = picture_of(self.real.numpy(), samples.cpu().numpy(), self.window)
        write_file(folder / f"{iteration:09d}.png", encoded([picture], ".png"))

    def row(self, method: Adversarial, draws: Draws) -> dict[str, Tensor]:
        real, fake, labels = method.pair(draws)
        cosine = transport_cosine(lambda points: method.score(points, labels), real, fake)
        return {"validation_transport_cosine": cosine}

    def _surface(self, samples: Tensor, method: Adversarial) -> Tensor:
        places = lattice(self.window).to(samples)
        scores = method.score(places, torch.zeros(len(places), dtype=torch.int64, device=places.device))
        return scores.view([LATTICE[len(self.window)]] * len(self.window)).cpu()

    def _gradient_norms(self, samples: Tensor, method: Adversarial) -> Tensor:
        outputs: list[Tensor] = []
        layers = [layer for layer in method.modules["critic"].modules() if isinstance(layer, nn.Linear)]
        hooks = [layer.register_forward_hook(lambda _, __, output: outputs.append(output)) for layer in layers]
        real = self.real.to(samples)
        with torch.enable_grad():
            both = torch.cat([real, samples]).requires_grad_()
            scores = method.score(both, torch.zeros(len(both), dtype=torch.int64, device=both.device))
            loss = method.objective.critic_loss(scores[: len(real)], scores[len(real) :])
            gradients = torch.autograd.grad(loss, outputs)
        for hook in hooks:
            hook.remove()
        return torch.stack([gradient.double().norm() for gradient in gradients]).float().cpu()


def window_of(points: np.ndarray) -> np.ndarray:
    """The smallest and largest of each coordinate, with a margin: (d, 2) float32, of points (n, d)."""
    low, high = points.min(0), points.max(0)
    margin = np.maximum(MARGIN * (high - low), 0.1)
    return np.stack([low - margin, high + margin], axis=1).astype(np.float32)


def lattice(window: np.ndarray) -> Tensor:
    """The places of a lattice in a window, (d, 2), d = 1 or 2: (n, d) float32, the last coordinate fastest."""
    sides = [np.linspace(low, high, LATTICE[len(window)], dtype=np.float32) for low, high in window]
    return torch.from_numpy(np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, len(window)))


def picture_of(real: np.ndarray, fake: np.ndarray, window: np.ndarray) -> Image.Image:
    """Real points grey, generated ones orange above them; on a line, both as histograms; of more than two dimensions
    the first two. real (m, d), fake (n, d), window (d, 2)."""
    if len(window) == 1:
        return Image.fromarray(_histograms(real[:, 0], fake[:, 0], window[0]))
    pixels = np.full((SIDE, SIDE, 3), 255, np.uint8)
    for points, colour in ((real, REAL), (fake, FAKE)):
        low, high = window[:2].T
        places = np.floor((points[:, :2] - low) / (high - low) * SIDE)
        inside = places[((places >= 0) & (places < SIDE)).all(1)].astype(int)
        for right, down in ((0, 0), (0, 1), (1, 0), (1, 1)):
            columns, rows = np.minimum(inside[:, 0] + right, SIDE - 1), np.maximum(SIDE - 1 - inside[:, 1] - down, 0)
            pixels[rows, columns] = colour
    return Image.fromarray(pixels)


def scatter(points: np.ndarray) -> Image.Image:
    """Points, (n, d), in a window of their own."""
    return picture_of(points[:0], points, window_of(points))


def _histograms(real: np.ndarray, fake: np.ndarray, window: np.ndarray) -> np.ndarray:
    bins = SIDE // 4
    shares = [np.histogram(values, bins, window)[0] / max(len(values), 1) for values in (real, fake)]
    highest = shares[0].max() or shares[1].max()
    tops = [np.round(share / (1.1 * highest) * SIDE).clip(0, SIDE).repeat(4) for share in shares]
    heights = SIDE - np.arange(SIDE)[:, None]
    pixels = np.full((SIDE, SIDE, 3), 255, np.uint8)
    pixels[heights <= tops[0]] = REAL
    pixels[(heights <= tops[1]) & (heights > tops[1] - 3)] = FAKE
    return pixels


def showing_of(held_out: Shards, side: int) -> Showing:
    """The way to show samples of the held-out ones' shape."""
    return ImageGrid(side) if len(held_out.shape) == 3 else PointPicture(side, held_out)
