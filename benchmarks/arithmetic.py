"""Portable against native arithmetic: seconds of one step of a critic and one of its generator, float32, one thread.

Each kind of arithmetic has a process of its own, for it is set before numpy and torch are imported; the two take turns,
and one waits while the other computes.
"""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from ganflow import arithmetic  # noqa: E402 (the package beside these scripts)

KINDS = ("native", "portable")


def worker(images: int, width: int) -> None:
    """Reads "method side" from each line of stdin, does one step of every player, and answers with a line."""
    from models import iteration_of, model_of  # they import torch, and the arithmetic has been set by now

    steps = {}
    for line in sys.stdin:
        if line not in steps:
            method, side = line.split()
            steps[line] = iteration_of(
                model_of(method, {"dcgan": {"width": width}}, int(side), images), int(side), images
            )
        steps[line]()
        print("done", flush=True)


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
        for method in ("DCGAN", "WGAN", "WGAN-GP"):
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
