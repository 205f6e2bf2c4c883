"""Optimal transport between two sets of points, exact (POT's network simplex, Bonneel et al., 2011), in float64."""

import numpy as np

MOST_STEPS = 10_000_000  # of the network simplex


def transport_plan(real: np.ndarray, fake: np.ndarray) -> tuple[np.ndarray, float]:
    """The optimal plan (m, n), its sum 1, and its cost: Wasserstein-1 of two sets of points (m, d) and (n, d)."""
    import ot  # slow to import, and only points need it

    cost = ot.dist(real.astype(np.float64), fake.astype(np.float64), metric="euclidean")
    plan, log = ot.emd(ot.unif(len(real)), ot.unif(len(fake)), cost, numItermax=MOST_STEPS, log=True)
    return plan, float(log["cost"])
