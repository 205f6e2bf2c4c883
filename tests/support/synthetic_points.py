"""Finished runs on points with what the report draws of them, without any training."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from ganflow.artifacts import write_file
from ganflow.reporting.runs import RunRecord

SCORES = {"exact_em": 0.1234, "missed_modes": 12.0, "high_quality_samples": 0.98}


def point_runs(top: Path, variants: dict[str, float | None], dimension: int) -> list[RunRecord]:
    """One run for each {variant: limit of its clipped weights, or None for a discriminator that is not clipped}."""
    return [point_run(top / variant, variant, limit, dimension) for variant, limit in variants.items()]


def point_run(folder: Path, variant: str, limit: float | None, dimension: int) -> RunRecord:
    """A run with three sample figures, the tensors beside them and the critic's weights."""
    draw, side = np.random.default_rng(0), {1: (257,), 2: (65, 65)}[dimension]
    samples = []
    for iteration in (0, 1500, 3000):
        drawn = lambda *shape: draw.standard_normal(shape).astype(np.float32)  # noqa: E731
        tensors = {"real": drawn(64, dimension), "points": drawn(64, dimension), "scores": drawn(*side)}
        tensors["window"] = np.array([[-3.0, 3.0]] * dimension, np.float32)
        tensors["gradient_norms"] = np.geomspace(1e-9, 1, 12).astype(np.float32)
        picture = folder / "samples" / f"{iteration:09d}.png"
        write_file(picture, b"")
        save_file(tensors, picture.with_suffix(".safetensors"))
        samples.append((iteration, picture))
    weights = (limit or 0.3) * np.sign(draw.standard_normal((64, 64))).astype(np.float32)
    save_file(
        {"0.weight": weights + (limit is None) * draw.random((64, 64), np.float32)}, folder / "critic.safetensors"
    )
    constraint = (
        {"name": "weight_clipping", "settings": {"limit": limit}} if limit else {"name": "none", "settings": {}}
    )
    manifest = {"settings": {"constraint": constraint}}
    score = {"scores": SCORES}
    return RunRecord("ring", variant, 0, folder, {}, samples, manifest, score, "", "", None, None)
