"""Portable against native arithmetic: seconds of one step of a critic and one of its generator, float32, one thread.

Each kind of arithmetic has a process of its own, for it is set before numpy and torch are imported; the two take turns,
and one waits while the other computes.
"""

import os
import subprocess
import sys
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


def worker(method: str, side: int, images: int, width: int) -> None:
    """Answers each line on stdin with one step of every player, and a line when it is done."""
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
    draw = np.random.default_rng(0)
    stored = draw.integers(0, 256, (images, side, side, 3), dtype=np.uint8)
    model = method_of(task).build(task, Data(0, lambda count: stored[:count]), 0, "cpu")
    batch = Batch(torch.from_numpy(stored).permute(0, 3, 1, 2).float() / 127.5 - 1, lambda: None)
    optimizers = {}
    for player in model.players:
        trained = [parameter for key in player.trains for parameter in model.modules[key].parameters()]
        optimizers[player.name] = player.optimizer.build(trained, player.name)
    for number, _ in enumerate(sys.stdin):
        for player in model.players:
            for key, module in model.modules.items():
                module.train().requires_grad_(key in player.trains)
            player.before()
            optimizers[player.name].zero_grad()
            loss, _ = player.loss(Draws(0, "cpu", player.name, (number,), images, {SAMPLES: batch}))
            loss.backward()
            optimizers[player.name].step()
            player.after()
        print("done", flush=True)


def started(kind: str, *about: str) -> subprocess.Popen[str]:
    """A worker with a kind of arithmetic, native where no variable is set."""
    plain = {name: value for name, value in os.environ.items() if name not in arithmetic.PORTABLE}
    command = [sys.executable, __file__, "--worker", kind, *about]
    return subprocess.Popen(command, env=plain, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def main() -> None:
    from measuring import arguments, interleaved, machine, show

    options = arguments(__doc__, images=32, rounds=5, width=64)
    for side in (32, 64):
        for method in METHODS:
            workers = {
                kind: started(kind, method, str(side), str(options.images), str(options.width)) for kind in KINDS
            }

            def turn(process: subprocess.Popen[str]) -> int:
                process.stdin.write("step\n")
                process.stdin.flush()
                assert process.stdout.readline() == "done\n", "a worker failed"
                return 2 * options.images

            contenders = {kind: lambda process=process: turn(process) for kind, process in workers.items()}
            rates = interleaved(contenders, options.rounds)
            for process in workers.values():
                process.stdin.close()
                process.wait()
            show(f"{method}, {side} px, width {options.width}, batches of {options.images}", rates, "native")
    machine(("torch", "numpy"))
    print(f"AVX-512: {'yes' if 'avx512f' in arithmetic.cpu()[1] else 'no'}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        arithmetic.configure(1, sys.argv[2])
        worker(sys.argv[3], *map(int, sys.argv[4:]))
    else:
        main()
