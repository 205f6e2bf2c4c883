"""Networks and training iterations of the product, on one batch of random images, for the benchmarks."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from ganflow.config import Training, Variant  # noqa: E402 (the package beside these scripts)
from ganflow.methods.draws import SAMPLES, Batch, Draws  # noqa: E402
from ganflow.methods.interfaces import Data, Model, Task  # noqa: E402
from ganflow.methods.tasks import method_of  # noqa: E402
from ganflow.training.pixels import from_stored  # noqa: E402

ADAM = {"adam": {"lr": 1e-4, "betas": [0.0, 0.9]}}
METHODS: dict[str, dict[str, Any]] = {
    "DCGAN": {"objective": "non_saturating", "optimizer": ADAM},
    "WGAN": {"objective": "wasserstein", "constraint": "weight_clipping", "optimizer": "rmsprop"},
    "WGAN-GP": {"objective": "wasserstein", "constraint": "gradient_penalty", "optimizer": ADAM},
}


def stored(side: int, images: int) -> np.ndarray:
    """Random images as shards hold them, uint8 (images, side, side, 3)."""
    return np.random.default_rng(0).integers(0, 256, (images, side, side, 3), dtype=np.uint8)


def model_of(
    method: str,
    network: dict[str, Any],
    side: int,
    images: int,
    latent: int = 128,
    device: str = "cpu",
    **more: Any,
) -> Model:
    """The model of a method and a network family with initial weights, on a device; `more` are keys of the variant."""
    if method == "WGAN-GP" and "critic_norm" not in next(iter(network.values())):
        network = {family: settings | {"critic_norm": "none"} for family, settings in network.items()}
    variant = Variant.model_validate(METHODS[method] | {"network": network} | more)
    training = Training.model_validate({"iterations": 1, "latent": latent, "batch_size": images})
    task = Task("benchmark", variant, training, (side, side, 3), False)
    return method_of(task).build(task, Data(0, lambda count: stored(side, images)[:count]), 0, device)


def iteration_of(
    model: Model, side: int, images: int, precision: torch.dtype | None = None, device: str = "cpu"
) -> Callable[[], None]:
    """The steps of all players of a model, on its device, as `Trainer.iterate` has them; a precision is that of the
    networks."""
    from ganflow.training.eager import without_compiler

    without_compiler()
    values: Tensor = from_stored(torch.from_numpy(stored(side, images)).to(device))
    batch = Batch(values, lambda: torch.zeros(images, dtype=torch.int64, device=device))
    optimizers = {}
    for player in model.players:
        trained = [parameter for key in player.trains for parameter in model.modules[key].parameters()]
        optimizers[player.name] = player.optimizer.build(trained, player.name)

    def iteration() -> None:
        for player in model.players:
            for repetition in range(player.repeat(1000)):
                for key, module in model.modules.items():
                    module.train().requires_grad_(key in player.trains)
                player.before()
                optimizers[player.name].zero_grad(set_to_none=True)
                draws = Draws(0, device, player.name, (0, repetition), images, {SAMPLES: batch})
                with torch.autocast(device, precision, enabled=precision is not None):
                    loss, _ = player.loss(draws)
                loss.backward()
                optimizers[player.name].step()
                player.after()

    return iteration
