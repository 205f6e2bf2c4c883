"""Random numbers as a pure function of (seed, purpose, step): no generator state is saved, and a resumed run, another
number of workers or another device draws the same numbers. Counter-based: Philox4x64 (Salmon et al., 2011), keyed by a
digest."""

import hashlib

import numpy as np


def generator(seed: int, purpose: str, *step: int) -> np.random.Generator:
    """The stream of a purpose ("latent", "shuffle", ...) at a step; different arguments, independent streams."""
    key = hashlib.blake2b(repr((seed, purpose, step)).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=np.frombuffer(key, dtype="<u8").astype(np.uint64)))
