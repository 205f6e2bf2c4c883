"""Whether a device computes what it should: gradients against float64, and trainings that must come out equal."""

import contextlib
import hashlib
import io
import json
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from models import METHODS, model_of, stored
from torch import Tensor

from ganflow.config import Training, Variant
from ganflow.data import SPLITS
from ganflow.data.interfaces import Sample
from ganflow.data.reader import Shards
from ganflow.data.scenes import objects
from ganflow.data.writing import write_shards
from ganflow.methods.draws import SAMPLES, Batch, Draws
from ganflow.methods.interfaces import Data, Model, Task
from ganflow.methods.tasks import method_of
from ganflow.training.batches import Batches, CudaTransfer, Gathered, Prefetched, Resident
from ganflow.training.loop import Trainer
from ganflow.training.pixels import from_stored

# Of a gradient in float32, relative to its norm, the median of some batches. At width 64 a CPU is 9e-7 to 2e-6 off, and
# 1.5e-4 with the most rectifiers; TF32, emulated, 1.5e-2 and more. One rectifier whose input is so near zero that
# rounding changes its sign costs 1e-3, hence small batches and a median.
TOLERANCE, BATCHES, BATCH = 1e-3, 5, 4
LATENT = 16
Check = tuple[str, str, bool]  # what is compared, what was seen, whether it is right


class DrawsInFloat64(Draws):
    """The same random numbers in float64."""

    def normal(self, name: str, shape: tuple[int, ...]) -> Tensor:
        return super().normal(name, shape).double()

    def uniform(self, name: str, shape: tuple[int, ...]) -> Tensor:
        return super().uniform(name, shape).double()


def gradients(model: Model, batch: Tensor, draws: type[Draws], device: str, number: int) -> dict[str, Tensor]:
    """{player: the gradient of its loss in all parameters that it trains}, float64 on the CPU; no weights change.
    `number` chooses the random numbers."""
    found = {}
    for player in model.players:
        for key, module in model.modules.items():
            module.train().requires_grad_(key in player.trains)
        player.before()
        data = {SAMPLES: Batch(batch, lambda: torch.zeros(len(batch), dtype=torch.int64, device=device))}
        loss, _ = player.loss(draws(0, device, player.name, (number,), len(batch), data))
        loss.backward()
        trained = [parameter for key in player.trains for parameter in model.modules[key].parameters()]
        found[player.name] = torch.cat([p.grad.flatten().double().cpu() for p in trained if p.grad is not None])
        for module in model.modules.values():
            module.zero_grad(set_to_none=True)
    return found


def against_float64(case: tuple[str, str, int, int], width: int, device: str) -> Check:
    """The gradients of a case's players in float32 on a device, against float64 on the CPU."""
    method, family, side, _ = case
    make = partial(model_of, method, {family: {"width": width}}, side, BATCH)
    exact, ours = make(), make(device=device)
    for module in exact.modules.values():
        module.double()
    errors: dict[str, list[float]] = {player.name: [] for player in exact.players}
    for number, batch in enumerate(from_stored(torch.from_numpy(stored(side, BATCHES * BATCH))).split(BATCH)):
        expected = gradients(exact, batch.double(), DrawsInFloat64, "cpu", number)
        found = gradients(ours, batch.to(device), Draws, device, number)
        for name, off in errors.items():
            off.append(float((found[name] - expected[name]).norm() / expected[name].norm()))
    said = ", ".join(f"{name} {statistics.median(off):.1e} ({max(off):.1e})" for name, off in errors.items())
    what = f"{method}, {family}, {side} px: gradients in float32 against float64 on a CPU, at most {TOLERANCE:.0e} off"
    return what, f"median (largest): {said}", all(statistics.median(off) <= TOLERANCE for off in errors.values())


def write_data(folder: Path, images: int) -> tuple[Shards, Shards]:
    """Training and held-out shards of rendered objects, 32 px."""
    for split, count in zip(SPLITS, (images, 8), strict=True):
        samples = [Sample(f"{i:08d}", partial(_drawing, i), None) for i in range(count)]
        with contextlib.redirect_stderr(io.StringIO()):
            write_shards(
                samples, folder / split, dataset="drawn", split=split, shape=(32, 32, 3), shard_size=64, classes=()
            )
    train, held_out = (Shards(folder / split) for split in SPLITS)
    return train, held_out


def _drawing(index: int) -> Any:
    return objects.render(0, index)[1]


class Killed(BaseException):
    """The end of a process."""


class Runs:
    """Short trainings of a method on a device, each of which gives a digest of all that it leaves."""

    def __init__(self, method: str, width: int, images: int, precision: str, device: str, data: tuple[Shards, Shards]):
        norm = {"critic_norm": "none"} if method == "WGAN-GP" else {}
        self.variant = Variant.model_validate(METHODS[method] | {"network": {"dcgan": {"width": width} | norm}})
        settings = {"iterations": 6, "latent": LATENT, "batch_size": images, "ema": 0.9, "grid": 2}
        every = {"journal_every": 2, "checkpoint_every": 2, "sample_every": 6, "precision": precision}
        self.training = Training.model_validate(settings | every)
        self.device, self.data = device, data

    def digest(self, folder: Path, batches: Callable[[], Batches] | None = None, killed_after: int = 0) -> str:
        """The digest of a training's weights, averages, journal and sample grids; `killed_after` so many steps it is
        begun anew from its checkpoint."""
        if killed_after:
            with contextlib.suppress(Killed):
                self._run(folder, batches, killed_after)
        trainer, journal = self._run(folder, batches)
        found = hashlib.sha256(json.dumps(journal, sort_keys=True).encode())
        for module in [*trainer.model.modules.values(), *trainer.exported().values()]:
            for tensor in module.state_dict().values():
                found.update(tensor.cpu().numpy().tobytes())
        for file in sorted((folder / "samples").iterdir()):
            found.update(file.read_bytes())
        return found.hexdigest()

    def _run(self, folder: Path, batches: Callable[[], Batches] | None, steps: int = 0) -> tuple[Trainer, Any]:
        train, held_out = self.data
        task = Task("check", self.variant, self.training, train.shape, False)
        model = method_of(task).build(task, Data(0, train.first), 0, self.device)
        trainer = Trainer("check", model, self.training, 0, self.device, train, held_out)
        if batches:
            trainer.batches = {SAMPLES: batches()}
        if steps:
            step, left = trainer.step, iter(range(steps))

            def killed(*arguments: Any) -> dict[str, Tensor]:
                if next(left, None) is None:
                    raise Killed
                return step(*arguments)

            trainer.step = killed  # type: ignore[method-assign]
        with contextlib.redirect_stderr(io.StringIO()):
            return trainer, trainer.run(folder).journal

    def ways(self) -> dict[str, Callable[[], Batches]]:
        """Data that is resident on the device, and data that is streamed to it."""
        about = (self.data[0], 0, self.training.batch_size)
        if self.device == "cpu":
            return {"resident": partial(Resident, *about, "cpu"), "streamed": partial(Gathered, *about)}
        return {
            "resident": partial(Resident, *about, self.device),
            "streamed": lambda: Prefetched(*about, CudaTransfer()),
        }


def equal_trainings(runs: Runs, what: str, folder: Path) -> Iterator[Check]:
    """Compares the bytes of trainings that must be equal."""
    resident, streamed = (runs.digest(folder / name, way) for name, way in runs.ways().items())
    again = runs.digest(folder / "again", runs.ways()["resident"])
    resumed = runs.digest(folder / "resumed", runs.ways()["resident"], killed_after=5)
    for compared, digest in {
        "the same run twice": again,
        "resident and streamed batches": streamed,
        "killed and resumed, and undisturbed": resumed,
    }.items():
        yield f"{what}: {compared}", "equal" if digest == resident else "differ", digest == resident
