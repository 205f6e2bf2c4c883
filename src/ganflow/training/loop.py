"""The training loop: runs any list of declared updates, and has no branch on the variant.

Every draw is a function of (seed, update, iteration, repetition), every batch of the position in the stream, so a run
that was killed and resumed, as often as it may be, makes the same bytes as one that was not.
"""

import math
from collections import defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganflow.config import Training
from ganflow.data.reader import Shards
from ganflow.errors import UserError
from ganflow.methods.adversarial import Adversarial
from ganflow.methods.interfaces import Draws, Update
from ganflow.networks.interfaces import codes
from ganflow.progress import Progress
from ganflow.randomness import generator
from ganflow.training.batches import batches_of
from ganflow.training.images import class_labels, evaluating, from_stored, latent_vectors
from ganflow.training.showing import showing_of
from ganflow.training.state import Checkpoints, State
from ganflow.training.weights import save_tensors

Batch = tuple[Tensor, Callable[[], np.ndarray]]  # real images, and what reads their labels

SLOPE_IMAGES = 256  # held-out images between which the critic's slope is measured; it costs as much as a step


class StepDraws(Draws):
    """The draws of one step: of a repetition of an update in an iteration, or of a part of the validation."""

    def __init__(self, run: "Run", purpose: str, step: tuple[int, ...], size: int, real: "Batch | None" = None):
        self.run, self.purpose, self.step, self.size = run, purpose, step, size
        self.real, self.read_labels = real or (None, None)

    def latent(self) -> Tensor:
        dimension = self.run.training.latent
        return latent_vectors(self.size, dimension, self.run.device, self.run.seed, self.purpose, *self.step)

    def uniform(self) -> Tensor:
        return self._uniform("uniform", (self.size,))

    def noise(self) -> Tensor:
        return self._uniform("noise", tuple(self.real.shape))

    def labels(self) -> Tensor:
        return torch.from_numpy(self.read_labels()).to(self.run.device)

    def classes(self, count: int) -> Tensor:
        return class_labels(self.size, count, self.run.device, self.run.seed, self.purpose, *self.step)

    def _uniform(self, what: str, shape: tuple[int, ...]) -> Tensor:
        draw = generator(self.run.seed, f"{what}/{self.purpose}", *self.step)
        return torch.from_numpy(draw.random(shape, dtype=np.float32)).to(self.run.device)


class Run:
    """One training run: a method on the shards of one dataset with one seed."""

    def __init__(
        self,
        what: str,
        method: Adversarial,
        training: Training,
        seed: int,
        device: str,
        train: Shards,
        held_out: Shards,
        about: dict[str, Any] | None = None,
    ):
        self.what, self.method, self.training, self.seed, self.device = what, method, training, seed, device
        self.batches, self.held_out = batches_of(train, seed, training.batch_size, device), held_out
        self.showing = showing_of(held_out, training.grid)
        self.about = about or {}  # what its weights files say of themselves
        self.images_used = 0
        method.parts.network.see(
            method.modules["generator"], lambda count: train.samples(np.arange(count) % train.count)
        )
        self.averaged = deepcopy(method.modules["generator"]).requires_grad_(False) if training.ema else None

    def to_the_end(self, scratch: Path) -> State:
        """Trains from the newest checkpoint in `scratch` to the last iteration; sample grids appear in
        `scratch`/samples, and the generator's weights as they were in `scratch`/snapshots.

        Raises UserError if a loss is not finite.
        """
        averaged = {} if self.averaged is None else {"averaged": self.averaged}
        checkpoints = Checkpoints(scratch, self.method.modules | averaged, self.method.optimizers)
        state = checkpoints.load()
        sums: dict[str, list[Tensor]] = defaultdict(list)
        if state.iteration == 0:
            self.grid(scratch, 0)
        with Progress(self.what, self.training.iterations, "iterations", state.iteration) as progress:
            while state.iteration < self.training.iterations:
                self._iterate(state, sums)
                state.iteration += 1
                last = state.iteration == self.training.iterations
                if last or state.iteration % self.training.journal_every == 0:
                    state.journal.append(self._row(state.iteration, sums))
                    sums.clear()
                if last or state.iteration % self.training.sample_every == 0:
                    self.grid(scratch, state.iteration)
                if not last and state.iteration % self.training.snapshot_every == 0:
                    self._snapshot(scratch / "snapshots", state.iteration)
                if last or state.iteration % self.training.checkpoint_every == 0:
                    checkpoints.save(state)
                shown = sorted(state.journal[-1].items())[:2] if state.journal else ()
                progress.advance(1, ", ".join(f"{name} {value:.4g}" for name, value in shown))
        return state

    def _iterate(self, state: State, sums: dict[str, list[Tensor]]) -> None:
        self.method.begin(state.iteration)
        for update in self.method.updates:
            for repetition in range(update.repeat(state.iteration)):
                draws = self.draws(update, (state.iteration, repetition), state.position)
                state.position += update.uses_real
                for name, value in self.step(update, draws).items():
                    sums[name].append(value)
        if self.averaged is not None:
            self._average()

    def draws(self, update: Update, step: tuple[int, int], position: int) -> StepDraws:
        """The draws of one (iteration, repetition) of an update, with the real images at a position if it uses any."""
        real = (self._real(position), partial(self.batches.labels, position)) if update.uses_real else None
        return StepDraws(self, update.name, step, update.batches * self.training.batch_size, real)

    def step(self, update: Update, draws: Draws) -> dict[str, Tensor]:
        """One step of an update; returns its values for the journal."""
        for key, module in self.method.modules.items():
            module.train().requires_grad_(key == update.trains)
        update.before()
        optimizer = self.method.optimizers[update.trains]
        optimizer.zero_grad(set_to_none=True)
        with self.autocast():
            loss, values = update.loss(draws)
        loss.backward()
        optimizer.step()
        update.after()
        return values

    def autocast(self) -> object:
        """The context in which the networks run at the precision of params.yaml."""
        if self.training.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device, dtype=torch.bfloat16)

    def _real(self, position: int) -> Tensor:
        self.images_used += self.training.batch_size
        return from_stored(self.batches.at(position))

    def generators(self) -> dict[str, nn.Module]:
        """The generator and, where there is one, its moving average, by the names of their files."""
        averaged = {} if self.averaged is None else {"generator_ema": self.averaged}
        return {"generator": self.method.modules["generator"], **averaged}

    def _snapshot(self, folder: Path, iteration: int) -> None:
        for key, module in self.generators().items():
            about = {"module": key, "iteration": iteration} | self.about
            save_tensors(folder / f"{iteration:09d}-{key}.safetensors", module.state_dict(), about)

    @torch.no_grad()
    def _average(self) -> None:
        current = self.method.modules["generator"]
        for mean, value in zip(self.averaged.parameters(), current.parameters(), strict=True):
            mean.lerp_(value, 1 - self.training.ema)
        for mean, value in zip(self.averaged.buffers(), current.buffers(), strict=True):
            mean.copy_(value)

    def _row(self, iteration: int, sums: dict[str, list[Tensor]]) -> dict[str, float]:
        """Means over the updates since the last row, and what is measured on held-out images."""
        means = {name: float(torch.stack(values).double().mean()) for name, values in sums.items()}
        row = {"iteration": iteration} | means | self.validate()
        if wrong := [name for name, value in row.items() if not math.isfinite(value)]:
            raise UserError(
                f"{self.what}: {wrong[0]} is {row[wrong[0]]} at iteration {iteration}: the training diverged; "
                "lower the variant's learning rate, or constrain its critic"
            )
        return row

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """What is measured on held-out images, networks in evaluation mode."""
        count = min(self.training.validation_images, self.held_out.count)
        totals: dict[str, float] = defaultdict(float)
        norms = []
        with evaluating(*self.method.modules.values()):
            for part, start in enumerate(range(0, count, self.training.batch_size)):
                chosen = np.arange(start, min(start + self.training.batch_size, count))
                real = from_stored(torch.from_numpy(self.held_out.samples(chosen)).to(self.device))
                labels = partial(self.held_out.labels, chosen)
                draws = StepDraws(self, "validation", (part,), len(chosen), (real, labels))
                with self.autocast():
                    values = self.method.validation(draws) | self.showing.row(self.method, draws)
                    if start < SLOPE_IMAGES:
                        norms.append(self.method.gradient_norms(draws))
                for name, value in values.items():
                    totals[name] += float(value) * len(chosen) / count
        return totals | self.method.slopes(torch.cat(norms), totals)

    @torch.no_grad()
    def grid(self, scratch: Path, iteration: int) -> None:
        """Writes the sample grid of an iteration, always of the same latent vectors."""
        module = self.method.modules["generator"] if self.averaged is None else self.averaged
        side, classes = self.training.grid, self.method.classes
        latent = latent_vectors(side * side, self.training.latent, self.device, self.seed, "grid")
        rows = torch.arange(side, device=self.device).repeat_interleave(side) % max(classes, 1)  # a class a row
        with evaluating(module), self.autocast():
            images = module(codes(latent, rows, classes)).float() * self.method.image_scale
            self.showing.write(scratch / "samples", iteration, images, self.method)
