"""Figures of samples during training: a grid of images, or a plot of points with the model's diagnostics."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganflow.artifacts import write_file
from ganflow.data.reader import Shards
from ganflow.methods.interfaces import Model
from ganflow.tensor_files import save_tensors
from ganflow.training.image_files import encoded, write_grid

SIDE = 256  # pixels of a plot of points
LATTICE = {1: 257, 2: 65}  # points per side at which functions are evaluated, by dimension
MARGIN = 0.25  # of the data's extent, around it
REAL, FAKE = (150, 150, 150), (213, 94, 0)


class ImageGrid:
    """Images, (n, 3, H, W) in [-1, 1], row by row."""

    def __init__(self, side: int):
        self.side = side

    def write(self, folder: Path, iteration: int, samples: Tensor, model: Model) -> list[Path]:
        """Writes <iteration>.png; returns the files."""
        picture = folder / f"{iteration:09d}.png"
        write_grid(picture, samples, self.side)
        return [picture]


class PointPlot:
    """Points, (n, d): a plot with held-out ones, and <iteration>.safetensors.

    The file holds the `points`, the held-out `real` ones, the `window` (d, 2) of the plot, and the model's diagnostics;
    functions on the lattice have the shape (257,) in one dimension and (65, 65) in two, the first coordinate first.
    """

    def __init__(self, side: int, held_out: Shards):
        points = held_out.samples(np.arange(min(side * side, held_out.count)))
        self.real, self.window = torch.from_numpy(points), window_of(points)

    def write(self, folder: Path, iteration: int, samples: Tensor, model: Model) -> list[Path]:
        """Writes <iteration>.png and the tensors that the report plots, <iteration>.safetensors; returns the files."""
        picture, tensors = (folder / f"{iteration:09d}{suffix}" for suffix in (".png", ".safetensors"))
        known = {"points": samples.cpu(), "real": self.real, "window": torch.from_numpy(self.window)}
        side = LATTICE.get(samples.shape[1], 0)
        at = lattice(self.window).to(samples) if side else None
        for name, values in model.diagnostics(self.real.to(samples), samples, at).items():
            on_lattice = at is not None and len(values) == len(at)
            known[name] = (values.unflatten(0, [side] * len(self.window)) if on_lattice else values).cpu()
        save_tensors(tensors, known, {"iteration": iteration})
        image = plot_points(self.real.numpy(), samples.cpu().numpy(), self.window)
        write_file(picture, encoded([image], ".png"))
        return [picture, tensors]


def window_of(points: np.ndarray) -> np.ndarray:
    """Minimum and maximum of each coordinate with a margin, (d, 2) float32, of points (n, d)."""
    low, high = points.min(0), points.max(0)
    margin = np.maximum(MARGIN * (high - low), 0.1)
    return np.stack([low - margin, high + margin], axis=1).astype(np.float32)


def lattice(window: np.ndarray) -> Tensor:
    """The points of a lattice in a window, (d, 2), d = 1 or 2: (n, d) float32, the last coordinate fastest."""
    sides = [np.linspace(low, high, LATTICE[len(window)], dtype=np.float32) for low, high in window]
    return torch.from_numpy(np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, len(window)))


def plot_points(real: np.ndarray, fake: np.ndarray, window: np.ndarray) -> Image.Image:
    """Real points in grey and generated ones in orange on top: histograms in one dimension, else the first two
    coordinates. real (m, d), fake (n, d), window (d, 2)."""
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
    """Points, (n, d), in the window of their extent."""
    return plot_points(points[:0], points, window_of(points))


def _histograms(real: np.ndarray, fake: np.ndarray, window: np.ndarray) -> np.ndarray:
    bins, extent = SIDE // 4, (window[0], window[1])
    shares = [np.histogram(values, bins, extent)[0] / max(len(values), 1) for values in (real, fake)]
    highest = shares[0].max() or shares[1].max()
    tops = [np.round(share / (1.1 * highest) * SIDE).clip(0, SIDE).repeat(4) for share in shares]
    heights = SIDE - np.arange(SIDE)[:, None]
    pixels = np.full((SIDE, SIDE, 3), 255, np.uint8)
    pixels[heights <= tops[0]] = REAL
    pixels[(heights <= tops[1]) & (heights > tops[1] - 3)] = FAKE
    return pixels


def sample_figure_of(held_out: Shards, side: int) -> ImageGrid | PointPlot:
    """The figure for samples of the shape of the held-out ones."""
    return ImageGrid(side) if len(held_out.shape) == 3 else PointPlot(side, held_out)
