"""Made-up runs of any experiment, as the train, generate and evaluate stages leave them."""

from pathlib import Path

import numpy as np
import pytest
import synthetic_runs
from safetensors.numpy import save_file

from ganflow.config import Experiment
from ganflow.randomness import generator

SIDE = 16  # pixels of a sample


def make_results(results: Path, experiment: Experiment) -> None:
    """A run for each of the experiment's, with the scores and charts of the report's tests."""
    top = results / experiment.experiment
    with pytest.MonkeyPatch.context() as patch:
        for dataset, variant, seed in experiment.runs:
            patch.setitem(synthetic_runs.DATASETS, dataset, SIDE)
            patch.setitem(synthetic_runs.VARIANTS, variant, synthetic_runs.VARIANTS["wgan_gp"])
            synthetic_runs.make_run(top, dataset, variant, seed)
            if dimension := experiment.datasets[dataset].dimension:
                _make_points(top, (dataset, variant, str(seed)), dimension)


def _make_points(top: Path, axes: tuple[str, ...], dimension: int) -> None:
    """What a run on points has beside its pictures, and no nearest neighbours."""
    random = generator(0, "points")
    side = {1: (257,), 2: (65, 65)}[dimension]
    for picture in top.joinpath("runs", *axes, "samples").glob("*.png"):
        tensors = {
            "points": random.standard_normal((20, dimension)),
            "real": random.standard_normal((20, dimension)),
            "window": np.array([[-2.0, 2.0]] * dimension),
            "scores": random.standard_normal(side),
            "gradient_norms": random.random(2),
        }
        save_file(
            {name: tensor.astype(np.float32) for name, tensor in tensors.items()}, picture.with_suffix(".safetensors")
        )
    critic = {"0.weight": random.random((4, dimension)), "0.bias": random.random(4), "2.weight": random.random((1, 4))}
    values = {name: tensor.astype(np.float32) for name, tensor in critic.items()}
    save_file(values, top.joinpath("runs", *axes, "critic.safetensors"))
    for kind in ("png", "json"):
        top.joinpath("scores", *axes, f"neighbours.{kind}").unlink()
