"""interpolate: walks from one latent vector to another on the sphere (White, arXiv 1609.04468), along which a generator
changes smoothly unless it has memorised images."""

from pathlib import Path

import numpy as np
import torch

from ganflow.artifacts import write_file
from ganflow.config import Experiment
from ganflow.errors import UserError
from ganflow.networks.building import evaluating
from ganflow.networks.codes import codes
from ganflow.randomness import generator
from ganflow.stages.selection import weights_named
from ganflow.training.divergence import check_tensors
from ganflow.training.image_files import as_grid, encoded
from ganflow.training.pixels import to_pixels
from ganflow.training.sample_figures import scatter
from ganflow.training.weights import load_generator


def run(experiment: Experiment, which: str, rows: int, steps: int, seed: int, weights: str | None, out: Path) -> None:
    """Writes one walk per row; a .gif or .webp animates all walks, forwards and backwards."""
    if rows < 1 or steps < 2:
        raise UserError(f"interpolate: --rows = {rows}, --steps = {steps}: a walk needs a row and two images or more")
    path = weights_named(experiment, which, weights)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    module, about = load_generator(path, device)
    if about.get("translation"):
        raise UserError(f"{path}: translates images, and has no latent vectors to walk between; name a generator")
    first, last = generator(seed, "interpolation").standard_normal((2, rows, about["latent"]))
    walks = np.stack([spherical(first, last, share) for share in np.linspace(0, 1, steps)], axis=1)
    vectors = torch.from_numpy(walks.reshape(rows * steps, -1).astype(np.float32)).to(device)
    labels = torch.arange(rows, device=device).repeat_interleave(steps) % max(about["classes"], 1)  # one class per row
    with torch.no_grad(), evaluating(module):
        made = module(codes(vectors, labels, about["classes"])).float()
    check_tensors([(f"samples of {path}", made)])
    if made.dim() == 2:
        write_file(out, encoded([scatter(made.cpu().numpy())], out.suffix))
        print(f"{out}: {rows} walks of {steps} points of {path}, seed {seed}")
        return
    pixels = to_pixels(made)
    if out.suffix in (".gif", ".webp"):
        by_step = pixels.reshape(rows, steps, *pixels.shape[1:]).swapaxes(0, 1)
        frames = [as_grid(frame, max(1, round(rows**0.5))) for frame in by_step]
        write_file(out, encoded(frames + frames[-2:0:-1], out.suffix))
    else:
        write_file(out, encoded([as_grid(pixels, steps)], out.suffix))
    print(f"{out}: {rows} walks of {steps} images of {path}, seed {seed}")


def spherical(one: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    """The points at `share` (0..1) of the way along the arcs between vectors, both (n, latent): Shoemake's slerp."""
    lengths = np.linalg.norm(one, axis=1, keepdims=True) * np.linalg.norm(other, axis=1, keepdims=True)
    angle = np.arccos(np.clip((one * other).sum(1, keepdims=True) / lengths, -1, 1))
    return (np.sin((1 - share) * angle) * one + np.sin(share * angle) * other) / np.sin(angle)
