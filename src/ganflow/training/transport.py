"""Optimal transport between two sets of points, exact (POT's network simplex, Bonneel et al., 2011), in float64.

The optimal critic's gradient points along the plan, with probability 1 under it (WGAN-GP, arXiv 1704.00028,
proposition 1); the cosine between the two says how far a trained critic is from that.
"""

import numpy as np
import torch
from torch import Tensor

from ganflow.methods.interfaces import Score

MOST_STEPS = 10_000_000  # of the network simplex


def plan(real: np.ndarray, fake: np.ndarray) -> tuple[np.ndarray, float]:
    """The optimal plan (m, n), its sum 1, and its cost: Wasserstein-1 of two sets of points (m, d) and (n, d)."""
    import ot  # only runs on points need it

    cost = ot.dist(real.astype(np.float64), fake.astype(np.float64), metric="euclidean")
    found, log = ot.emd(ot.unif(len(real)), ot.unif(len(fake)), cost, numItermax=MOST_STEPS, log=True)
    return found, float(log["cost"])


def transport_cosine(score: Score, real: Tensor, fake: Tensor) -> Tensor:
    """Mean over the plan's mass of the cosine between the critic's gradient at a generated point and the way from it
    to the real one it is matched with; 1 for an optimal critic. real (m, d), fake (n, d); a scalar."""
    with torch.enable_grad():
        at = fake.detach().float().requires_grad_()
        [gradient] = torch.autograd.grad(score(at).sum(), at)
    matched, _ = plan(real.cpu().numpy(), fake.cpu().numpy())
    mass = torch.from_numpy(matched).to(gradient)  # (m, n)
    way = torch.nn.functional.normalize(real[:, None] - fake[None], dim=-1)  # (m, n, d)
    slope = torch.nn.functional.normalize(gradient, dim=-1)  # (n, d)
    return (mass * (way * slope).sum(-1)).sum()
