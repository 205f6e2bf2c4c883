"""A training iteration: ours against the usual PyTorch step, on the same networks, data and optimisers, in one process.

"usual" is the step as popular repositories write it: a forward for real, generated and interpolated images each, and
autograd with `create_graph` for the penalty. "usual, not detached" also leaves the generator's graph attached in the
critic's steps, and computes the critic's gradients in the generator's. `--threads`, `--width` and `--images` (a batch)
set the size, `--arithmetic native` the kernels. `--record` keeps the results in benchmarks/step.json, of which
`python -m ganflow schema` makes the README's table.
"""

import argparse
import itertools
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from ganflow import arithmetic  # noqa: E402 (the package beside these scripts)

CASES = [  # method, network, side, critic steps
    ("WGAN-GP", "dcgan5", 32, 5),
    ("WGAN-GP", "resnet", 32, 5),
    ("WGAN-GP", "dcgan", 64, 5),
    ("WGAN", "dcgan", 32, 5),
    ("WGAN", "dcgan", 64, 5),
    ("DCGAN", "dcgan", 32, 1),
    ("DCGAN", "dcgan", 64, 1),
]
WAYS = ("usual", "usual, not detached", "ours")


def usual(
    method: str, model: Any, batch: Any, critic_steps: int, latent: int, detached: bool, precision: Any = None
) -> Callable[[], None]:
    """One iteration of the usual step with the networks of a model, on the device of the batch; losses and penalty run
    at a precision of autocast, if one is given."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

    generator, critic = (
        model.modules[name].to(memory_format=torch.contiguous_format) for name in ("generator", "critic")
    )
    real, images, device = batch.contiguous(), len(batch), batch.device
    if method == "WGAN":
        optimizers = [torch.optim.RMSprop(network.parameters(), lr=5e-5) for network in (critic, generator)]
    else:
        optimizers = [torch.optim.Adam(n.parameters(), lr=1e-4, betas=(0.0, 0.9)) for n in (critic, generator)]
    of_critic, of_generator = optimizers

    def generated() -> Any:
        return generator(torch.randn(images, latent, device=device))

    def critic_loss(fake: Any) -> Any:
        real_scores, fake_scores = critic(real), critic(fake)
        if method == "DCGAN":
            ones, zeros = torch.ones_like(real_scores), torch.zeros_like(fake_scores)
            return cross_entropy(real_scores, ones) + cross_entropy(fake_scores, zeros)
        loss = fake_scores.mean() - real_scores.mean()
        if method == "WGAN":
            return loss
        share = torch.rand(images, 1, 1, 1, device=device)
        mixed = (share * real + (1 - share) * fake.detach()).requires_grad_()
        scores = critic(mixed)
        [gradient] = torch.autograd.grad(scores, mixed, torch.ones_like(scores), create_graph=True, retain_graph=True)
        return loss + 10 * (gradient.flatten(1).norm(2, dim=1) - 1).square().mean()

    def at_precision() -> Any:
        return torch.autocast(device.type, precision, enabled=precision is not None)

    def iteration() -> None:
        critic.train(), generator.train()
        critic.requires_grad_(True)
        for _ in range(critic_steps):
            of_critic.zero_grad()
            with at_precision():
                fake = generated()
                loss = critic_loss(fake.detach() if detached else fake)
            loss.backward()
            of_critic.step()
            if method == "WGAN":
                for parameter in critic.parameters():
                    parameter.data.clamp_(-0.01, 0.01)
        critic.requires_grad_(not detached)
        of_generator.zero_grad()
        with at_precision():
            scores = critic(generated())
            loss = cross_entropy(scores, torch.ones_like(scores)) if method == "DCGAN" else -scores.mean()
        loss.backward()
        of_generator.step()

    return iteration


def contender(
    way: str, case: tuple[str, str, int, int], options: argparse.Namespace, precision: Any = None, device: str = "cpu"
) -> Callable[[], None]:
    """One iteration of a case on a device, done one way, with networks of its own."""
    import torch
    from models import iteration_of, model_of, stored

    from ganflow.training.pixels import from_stored

    method, family, side, critic_steps = case
    network = {family: {"width": options.width}}
    model = model_of(method, network, side, options.images, device=device, critic_steps=critic_steps)
    if way == "ours":
        return iteration_of(model, side, options.images, precision, device)
    batch = from_stored(torch.from_numpy(stored(side, options.images)).to(device))
    return usual(method, deepcopy(model), batch, critic_steps, 128, way == "usual", precision)


def convolution_operations(iteration: Callable[[], None]) -> int:
    """Multiplications and additions in the convolutions and matrix products of one iteration."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    class Counter(TorchDispatchMode):
        total = 0

        def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = operation(*args, **(kwargs or {}))
            if count := flop_registry.get(operation.overloadpacket):
                self.total += count(*args, **(kwargs or {}), out_val=result)
            return result

    with Counter() as counter:
        iteration()
    return counter.total


def peak() -> float:
    """Operations a second of a large 3x3 convolution, the best of some."""
    import torch

    x = torch.randn(64, 128, 32, 32).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(256, 128, 3, 3).contiguous(memory_format=torch.channels_last)
    seconds = []
    for _ in range(6):
        began = time.perf_counter()
        torch.conv2d(x, weight, padding=1)
        seconds.append(time.perf_counter() - began)
    return 2 * 64 * 1024 * 128 * 256 * 9 / min(seconds)


def memory(way: str, number: int, options: argparse.Namespace) -> int:
    """Peak memory, in MiB, of a process that runs two iterations."""
    command = [sys.executable, __file__, "--child", json.dumps([way, number])]
    for name in ("threads", "width", "images", "arithmetic"):
        command += [f"--{name}", str(getattr(options, name))]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--images", type=int, default=64, help="of a batch (default: 64)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", default=f"1-{len(CASES)}", help="first and last (default: all)")
    parser.add_argument("--arithmetic", choices=("portable", "native"), default="portable")
    parser.add_argument("--record", action="store_true", help="write benchmarks/step.json")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    arithmetic.configure(options.threads, options.arithmetic)
    import torch
    from measuring import interleaved, machine, show

    from ganflow.cpu_sharing import keep_freed_memory

    torch.set_num_threads(options.threads)
    if options.child:
        way, number = json.loads(options.child)
        if way == "ours":
            keep_freed_memory()
        for _ in range(2):
            contender(way, CASES[number], options)()
        status = Path("/proc/self/status").read_text()  # getrusage would count the parent's memory before exec
        print(int(re.search(r"VmHWM:\s+(\d+)", status)[1]) // 1024)
        return
    first, last = map(int, options.cases.split("-"))
    highest, recorded = peak(), []
    for number, case in itertools.islice(enumerate(CASES), first - 1, last):
        method, family, side, critic_steps = case
        ways = {way: contender(way, case, options) for way in WAYS}
        counted = {way: convolution_operations(iteration) for way, iteration in ways.items()}
        images = critic_steps * options.images
        rates = interleaved({way: counted_images(iteration, images) for way, iteration in ways.items()}, options.rounds)
        shares = {
            way: f"{counted[way] * sorted(found)[len(found) // 2] / images / highest:.0%}"
            for way, found in rates.items()
        }
        title = (
            f"{method}, {family}, {side} px, width {options.width}, batch {options.images}, {critic_steps} critic steps"
        )
        more = {
            "10⁹ operations": {way: f"{count / 1e9:.3g}" for way, count in counted.items()},
            "of the peak": shares,
            "MiB": {way: str(memory(way, number, options)) for way in ways},
        }
        show(title, rates, "usual", more)
        recorded.append(
            {
                "method": method,
                "network": f"{family}, {side} px",
                "critic_steps": critic_steps,
                "images_per_second": rates,
                "operations": counted,
                "MiB": more["MiB"],
            }
        )
    if options.record:
        about = {name: getattr(options, name) for name in ("threads", "width", "images", "rounds", "arithmetic")}
        about |= {"cpu": arithmetic.cpu()[0], "torch": torch.__version__, "peak": highest}
        Path(__file__).with_suffix(".json").write_text(json.dumps({"about": about, "cases": recorded}, indent=1) + "\n")
    machine(("torch",), options.threads)
    print(f"{options.arithmetic} arithmetic; peak: {highest / 1e9:.0f} x 10⁹ operations a second in a 3x3 convolution")


def counted_images(iteration: Callable[[], None], images: int) -> Callable[[], int]:
    """An iteration that returns its number of real images."""

    def run() -> int:
        iteration()
        return images

    return run


if __name__ == "__main__":
    main()
