"""Portable against native arithmetic: seconds of one step of a critic and one of its generator, float32, one thread.

Each kind of arithmetic has a process of its own, for it is set before numpy and torch are imported; the two take turns,
and one waits while the other computes.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from ganflow import arithmetic  # noqa: E402 (the package beside these scripts)

KINDS = ("native", "portable")
ADAM = {"adam": {"lr": 1e-4, "betas": [0.0, 0.9]}}
METHODS = {
    "DCGAN": {"objective": "non_saturating", "optimizer": ADAM},
    "WGAN": {"objective": "wasserstein", "constraint": "weight_clipping", "optimizer": "rmsprop"},
    "WGAN-GP": {"objective": "wasserstein", "constraint": "gradient_penalty", "optimizer": ADAM},
}


def worker(images: int, width: int) -> None:
    """Reads "method side" from each line of stdin, does one step of every player, and answers with a line."""
    steps = {}
    for line in sys.stdin:
        if line not in steps:
            method, side = line.split()
            steps[line] = step_of(method, int(side), images, width)
        steps[line]()
        print("done", flush=True)


def step_of(method: str, side: int, images: int, width: int) -> Callable[[], None]:
    """One update of every player of a method, on one batch of random images."""
    import numpy as np
    import torch

    from ganflow.config import Training, Variant
    from ganflow.methods.draws import SAMPLES, Batch, Draws
    from ganflow.methods.interfaces import Data, Task
    from ganflow.methods.tasks import method_of

    norm = {"critic_norm": "none"} if method == "WGAN-GP" else {}
    variant = Variant.model_validate(METHODS[method] | {"network": {"dcgan": {"width": width} | norm}})
    training = Training.model_validate({"iterations": 1, "latent": 128, "batch_size": images})
    task = Task("benchmark", variant, training, (side, side, 3), False)
    stored = np.random.default_rng(0).integers(0, 256, (images, side, side, 3), dtype=np.uint8)
    model = method_of(task).build(task, Data(0, lambda count: stored[:count]), 0, "cpu")
    batch = Batch(torch.from_numpy(stored).permute(0, 3, 1, 2).float() / 127.5 - 1, lambda: None)
    optimizers = {}
    for player in model.players:
        trained = [parameter for key in player.trains for parameter in model.modules[key].parameters()]
        optimizers[player.name] = player.optimizer.build(trained, player.name)

    def step() -> None:
        for player in model.players:
            for key, module in model.modules.items():
                module.train().requires_grad_(key in player.trains)
            player.before()
            optimizers[player.name].zero_grad()
            loss, _ = player.loss(Draws(0, "cpu", player.name, (0,), images, {SAMPLES: batch}))
            loss.backward()
            optimizers[player.name].step()
            player.after()

    return step


def main() -> None:
    from measuring import arguments, interleaved, machine, show

    options = arguments(__doc__, images=32, rounds=5, width=64)
    plain = {name: value for name, value in os.environ.items() if name not in arithmetic.PORTABLE}
    command = [sys.executable, __file__, str(options.images), str(options.width)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = {kind: subprocess.Popen([*command, kind], env=plain, **pipes) for kind in KINDS}

    def turn(process: subprocess.Popen[str], method: str, side: int) -> int:
        process.stdin.write(f"{method} {side}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "done\n", "a worker failed"
        return 2 * options.images

    for side in (32, 64):
        for method in METHODS:
            contenders = {kind: partial(turn, process, method, side) for kind, process in workers.items()}
            rates = interleaved(contenders, options.rounds)
            show(f"{method}, {side} px, width {options.width}, batches of {options.images}", rates, "native")
    for process in workers.values():
        process.stdin.close()
        process.wait()
    machine(("torch", "numpy"))
    print(f"AVX-512: {'yes' if 'avx512f' in arithmetic.cpu()[1] else 'no'}")


if __name__ == "__main__":
    if sys.argv[-1] in KINDS:
        arithmetic.configure(1, sys.argv[-1])
        worker(*map(int, sys.argv[1:3]))
    else:
        main()
