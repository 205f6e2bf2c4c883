"""Trainings at once on the same cores: images/s of one, two and three processes, with and without `cpu_sharing`.

Each process trains a WGAN-GP with one thread a core. "spinning" is OpenMP as it is by default.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from ganflow import arithmetic  # noqa: E402 (the package beside these scripts)

WAYS = ("spinning", "sharing")
SECONDS = 8.0  # of a measurement; cores are shared a second after others came


def worker(way: str, width: int, images: int, seconds: float) -> None:
    """Trains for a time when a line comes, and answers with images/s; ends with the input."""
    import torch
    from models import iteration_of, model_of

    from ganflow.cpu_sharing import share_cores

    model = model_of("WGAN-GP", {"dcgan": {"width": width}}, 32, images, critic_steps=3)
    iteration = iteration_of(model, 32, images)
    iteration()
    if way == "sharing":
        share_cores(os.cpu_count() or 1, lambda: torch.ones(2**20).add_(1))
    print("ready", flush=True)
    for _ in sys.stdin:
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            iteration()
            count += 3 * images
        print(count / (time.perf_counter() - began), flush=True)


def together(way: str, count: int, width: int, images: int, seconds: float) -> float:
    """Images/s of some processes that train at the same time, all of them together."""
    command = [sys.executable, __file__, "--child", way, str(width), str(images), str(seconds)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(count)]
    for process in processes:
        assert process.stdout.readline() == "ready\n", "a worker failed"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    rates = [float(process.stdout.readline()) for process in processes]
    for process in processes:
        process.stdin.close()
        process.wait()
    return sum(rates)


def main() -> None:
    from measuring import arguments, machine, spread

    options = arguments(__doc__, images=32, rounds=5, width=16, milliseconds=int(1000 * SECONDS), most=3)
    print(f"\nWGAN-GP, 32 px, width {options.width}, batches of {options.images}: images/s of all together\n")
    print("| trainings at once | spinning | sharing | sharing / spinning |\n| ---: | ---: | ---: | ---: |")
    for count in range(1, options.most + 1):
        found: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(options.rounds):
            for way in WAYS:
                rate = together(way, count, options.width, options.images, options.milliseconds / 1000)
                found[way].append(rate)
        ratios = [sharing / spinning for spinning, sharing in zip(*found.values(), strict=True)]
        print(f"| {count} | {spread(found['spinning'])} | {spread(found['sharing'])} | {spread(ratios)} |", flush=True)
    machine(("torch",), os.cpu_count() or 1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        arithmetic.configure(os.cpu_count() or 1, "portable")
        worker(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
    else:
        main()
