"""The training loop: steps of a model's players in order, with no branch on the method.

Random numbers are a function of (seed, player, iteration, repetition), and batches of the position in the stream, so a
run that is killed and resumed any number of times produces the same bytes as an undisturbed one.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganflow.config import Training
from ganflow.data.reader import Part, Shards
from ganflow.methods.draws import SAMPLES, Batch, Draws, to_device
from ganflow.methods.interfaces import Model, Player, means, to_host
from ganflow.networks.building import batch_statistics, evaluating
from ganflow.progress import Progress
from ganflow.tensor_files import save_tensors
from ganflow.training.averaging import STATISTICS, AveragedExport
from ganflow.training.batches import batches_of
from ganflow.training.divergence import Diverged, Divergence, NotFinite, check_numbers, check_tensors
from ganflow.training.eager import without_compiler
from ganflow.training.image_files import write_grid
from ganflow.training.pixels import from_stored
from ganflow.training.sample_figures import sample_figure_of
from ganflow.training.state import Checkpoints, State
from ganflow.training.weights import plain_weights
from ganflow.training.written_files import described


class Trainer:
    """One run: a model on the shards of one dataset with one seed."""

    def __init__(
        self,
        what: str,
        model: Model,
        training: Training,
        seed: int,
        device: str,
        train: Shards,
        held_out: Shards,
        about: dict[str, Any] | None = None,
    ):
        """`about`: metadata for the run's weights files."""
        self.what, self.model, self.training, self.seed, self.device = what, model, training, seed, device
        self.train, self.held_out = (
            {role: shards.part(where) if where else shards for role, where in model.roles.items()}
            for shards in (train, held_out)
        )
        self.batches = {
            role: batches_of(part, seed, training.batch_size, device, "order" if role == SAMPLES else f"order/{role}")
            for role, part in self.train.items()
        }
        self.sample_figure = sample_figure_of(held_out, training.grid)
        self.about = about or {}
        self.images_used = 0
        without_compiler()
        self.optimizers = {
            player.name: player.optimizer.build(
                [parameter for name in player.trains for parameter in model.modules[name].parameters()], player.name
            )
            for player in model.players
        }
        self.averaged = {
            name: AveragedExport(export, training.ema)
            for name, export in model.exports.items()
            if export.averaged and training.ema
        }

    def run(self, scratch: Path) -> State:
        """Trains from the newest checkpoint in `scratch` to the last iteration; writes sample grids to
        `scratch`/samples, snapshots of the scored export to `scratch`/snapshots, and the model's grids to
        `scratch`/grids; the state that it returns lists them.

        Raises Diverged if a value of the journal, a weight or a sample is not finite.
        """
        checkpoints = self._checkpoints(scratch)
        state = checkpoints.load()
        try:
            self._train(state, checkpoints, scratch)
        except NotFinite as found:
            raise Diverged(self._divergence(state, found), state.journal, state.files) from None
        state.files |= described(scratch, self._write_grids(scratch / "grids"))
        return state

    def _train(self, state: State, checkpoints: Checkpoints, scratch: Path) -> None:
        def note(written: list[Path]) -> None:
            state.files |= described(scratch, written)

        sums: dict[str, list[Tensor]] = defaultdict(list)
        if state.iteration == 0:
            self.recompute_statistics()
            note(self.write_samples(scratch, 0))
        with Progress(self.what, self.training.iterations, "iterations", state.iteration) as progress:
            while state.iteration < self.training.iterations:
                self.iterate(state, sums)
                state.iteration += 1
                last = state.iteration == self.training.iterations
                if last or state.iteration % self.training.journal_every == 0:
                    state.journal.append(self._row(state.iteration, sums))
                    sums.clear()
                sampled = last or state.iteration % self.training.sample_every == 0
                kept = not last and state.iteration % self.training.snapshot_every == 0
                if sampled or kept:
                    self.recompute_statistics()
                    self._check_weights()
                if sampled:
                    note(self.write_samples(scratch, state.iteration))
                if kept:
                    note(self._write_snapshots(scratch / "snapshots", state.iteration))
                if last or state.iteration % self.training.checkpoint_every == 0:
                    checkpoints.save(state)
                shown = sorted(state.journal[-1].items())[:2] if state.journal else ()
                progress.advance(1, ", ".join(f"{name} {value:.4g}" for name, value in shown))

    def _divergence(self, state: State, found: NotFinite) -> Divergence:
        """The record of what was found after an iteration, equal however often the training was resumed."""
        saved = [int(Path(file).name.partition("-")[0]) for file in state.files if file.startswith("snapshots/")]
        constrain = ", or constrain its critic" if "critic" in self.model.modules else ""
        return Divergence(
            iteration=state.iteration,
            values=found.values,
            finite_until=int(state.journal[-1]["iteration"]) if state.journal else 0,
            snapshot=max(saved, default=None),
            remedy=f"lower the variant's learning rate in params.yaml{constrain}",
        )

    def iterate(self, state: State, sums: dict[str, list[Tensor]]) -> None:
        """One iteration: every player's steps, then the moving averages; `sums` collects values for the journal."""
        self.set_rates(state.iteration)
        for player in self.model.players:
            for repetition in range(player.repeat(state.iteration)):
                draws = self.draws(player, (state.iteration, repetition), state.positions)
                for role in player.roles:
                    state.positions[role] = state.positions.get(role, 0) + 1
                for name, value in self.step(player, draws).items():
                    sums[name].append(value)
        for average in self.averaged.values():
            average.update(state.iteration)

    def set_rates(self, iteration: int) -> None:
        """Sets the learning rates of an iteration."""
        for player in self.model.players:
            for group in self.optimizers[player.name].param_groups:
                group["lr"] = player.optimizer.rate(iteration, self.training.iterations)

    def draws(self, player: Player, step: tuple[int, int], positions: dict[str, int]) -> Draws:
        """The draws of one (iteration, repetition) of a player, with the batches at these positions."""
        batches = {role: self._batch(role, positions.get(role, 0)) for role in player.roles}
        size = player.batches * self.training.batch_size
        return Draws(self.seed, self.device, player.name, step, size, batches)

    def step(self, player: Player, draws: Draws) -> dict[str, Tensor]:
        """One step of a player; returns its values for the journal."""
        for name, module in self.model.modules.items():
            module.train().requires_grad_(name in player.trains)
        player.before()
        optimizer = self.optimizers[player.name]
        optimizer.zero_grad(set_to_none=True)
        with self.autocast():
            loss, values = player.loss(draws)
        loss.backward()
        optimizer.step()
        player.after()
        return values

    def autocast(self) -> AbstractContextManager[object]:
        """A context in which networks run at the precision of params.yaml."""
        if self.training.precision != "bfloat16":
            return nullcontext()
        return torch.autocast(self.device, dtype=torch.bfloat16)

    def _batch(self, role: str, position: int) -> Batch:
        self.images_used += self.training.batch_size
        batches = self.batches[role]
        return self._around(batches.at(position), batches.shards, lambda: batches.indices(position))

    def _around(self, stored: Tensor, part: Shards | Part, indices: Callable[[], np.ndarray]) -> Batch:
        """A batch of stored samples of a part, with what is read of it when it is asked for."""
        return Batch(
            from_stored(stored),
            lambda: to_device(part.labels(indices()), self.device),
            lambda name: from_stored(to_device(part.images(name, indices()), self.device)),
        )

    def exported(self) -> dict[str, nn.Module]:
        """{file name: module} of the exported modules and their moving averages."""
        averages = {f"{name}_ema": average.module for name, average in self.averaged.items()}
        return {name: export.module for name, export in self.model.exports.items()} | averages

    def save(self, path: Path, file: str, iteration: int) -> None:
        """Writes the weights of an exported module or its average, with metadata to rebuild it."""
        export = self.model.exports[file.removesuffix("_ema")]
        blueprint = export.blueprint
        about = {
            "module": file,
            "iteration": iteration,
            "network": blueprint.network.model_dump(mode="json"),
            "part": blueprint.part,
            "arguments": blueprint.arguments,
            "takes": export.takes,
            "gives": export.gives,
            "scale": export.scale,
            "translation": export.translation and export.translation.as_json,
        }
        save_tensors(path, plain_weights(self.exported()[file]), about | self.about)

    def _write_snapshots(self, folder: Path, iteration: int) -> list[Path]:
        scored = [file for file in self.exported() if file.removesuffix("_ema") == self.model.scored]
        written = {file: folder / f"{iteration:09d}-{file}.safetensors" for file in scored}
        for file, path in written.items():
            self.save(path, file, iteration)
        return list(written.values())

    def recompute_statistics(self) -> None:
        """Recomputes the batch-norm statistics of the scored average."""
        size = self.training.batch_size
        for name, average in self.averaged.items():
            if name == self.model.scored:
                parts = range(-(-STATISTICS // size))
                batches = (
                    self._fixed(self.train, "statistics", (part,), slice(part * size, (part + 1) * size))
                    for part in parts
                )
                with self.autocast():
                    average.recompute_statistics(batches, self._sample)

    def _sample(self, module: nn.Module, draws: Draws) -> Tensor:
        labels = draws.integers("classes", (draws.size,), self.model.classes)
        return self.model.sample(module, draws, labels)

    def _row(self, iteration: int, sums: dict[str, list[Tensor]]) -> dict[str, float]:
        """A journal row: means over the steps since the last row, and values on fixed samples of both splits."""
        [means] = to_host([{name: torch.stack(values).double().mean() for name, values in sums.items()}])
        check_numbers(means)
        self._check_weights()  # before they are used: solvers of validation fail on what is not a number
        measured = self.validate()
        check_numbers(measured)
        return {"iteration": iteration} | means | measured

    def _check_weights(self) -> None:
        """Raises NotFinite with the modules whose weights, averages or statistics are not finite."""
        for name, module in (self.model.modules | self.exported()).items():
            check_tensors((f"weights of {name}", tensor) for tensor in module.state_dict().values())

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The model's values on held-out data (`validation_*`) and, measured alike, on training data (`training_*`).

        Alike: with the same weights, latent vectors and number of samples, in whole batches, each of which batch
        normalisation takes by its own statistics, real and generated samples apart.
        """
        count, size = (
            min(self.training.validation_images, *self._counts()),
            self.training.batch_size,
        )
        count = max(count - count % size, min(count, size))
        held_out, train = (
            [
                self._fixed(split, "validation", (part,), slice(start, min(start + size, count)))
                for part, start in enumerate(range(0, count, size))
            ]
            for split in (self.held_out, self.train)
        )
        modules = self.model.modules.values()
        with evaluating(*modules), batch_statistics(*modules), self.autocast():
            seen = means(train, self.model.validation)
            return self.model.monitor(held_out) | {
                f"training_{name.removeprefix('validation_')}": value for name, value in seen.items()
            }

    def _counts(self) -> list[int]:
        """Numbers of samples of each role in each split."""
        return [part.count for split in (self.held_out, self.train) for part in split.values()]

    def _fixed(self, split: Mapping[str, Shards | Part], purpose: str, step: tuple[int, ...], chosen: slice) -> Draws:
        """Samples of each role of a split by position, from the first again where there are fewer, with draws of a
        purpose: always the same."""
        batches = {}
        for role, part in split.items():
            indices = np.arange(chosen.start, chosen.stop) % part.count
            batches[role] = self._around(
                to_device(part.samples(indices), self.device), part, partial(np.asarray, indices)
            )
        return Draws(self.seed, self.device, purpose, step, chosen.stop - chosen.start, batches)

    @property
    def scored(self) -> nn.Module:
        """The module whose samples are scored: the moving average, if there is one."""
        average = self.averaged.get(self.model.scored)
        return average.module if average else self.model.exports[self.model.scored].module

    @torch.no_grad()
    def write_samples(self, scratch: Path, iteration: int) -> list[Path]:
        """Writes the samples of an iteration, always for the same latent vectors, with one class per row; returns the
        files."""
        side, classes = self.training.grid, self.model.classes
        draws = self._fixed(self.held_out, "grid", (), slice(0, side * side))
        rows = torch.arange(side, device=self.device).repeat_interleave(side) % max(classes, 1)
        with evaluating(self.scored), self.autocast():
            samples = self.model.sample(self.scored, draws, rows)
            check_tensors([("samples", samples)])
            return self.sample_figure.write(scratch / "samples", iteration, samples, self.model)

    @torch.no_grad()
    def _write_grids(self, folder: Path) -> list[Path]:
        count = min(self.training.batch_size, *self._counts()[: len(self.held_out)])
        draws = self._fixed(self.held_out, "validation", (0,), slice(0, count))
        written = {folder / f"{grid.name}.png": grid for grid in self.model.grids}
        for path, grid in written.items():
            with evaluating(*self.model.modules.values(), self.scored), self.autocast():
                write_grid(path, grid.make(self.scored, draws), grid.columns)
        return list(written)

    def _checkpoints(self, scratch: Path) -> Checkpoints:
        averages = {f"{name}_ema": average.module for name, average in self.averaged.items()}
        return Checkpoints(
            scratch,
            self.model.modules | averages,
            self.optimizers,
            self.model.state,
            {"metric_names": dict(self.model.metric_names)},
        )
