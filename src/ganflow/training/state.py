"""The state of a run that survives a kill: checkpoints, written atomically and named by their digest.

A checkpoint is one safetensors file, `<iteration>-<sha256>.safetensors`; the last two are kept, and a damaged one is
skipped with a warning. Nothing is pickled.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load
from torch import Tensor, nn, optim

from ganflow.artifacts import digest_bytes, write_file
from ganflow.progress import log
from ganflow.tensor_files import metadata, packed

KEPT = 2


@dataclass
class State:
    """Completed iterations, batches used of each role of data, and the journal so far."""

    iteration: int = 0
    positions: dict[str, int] = field(default_factory=dict)
    journal: list[dict[str, float]] = field(default_factory=list)


class Checkpoints:
    """The checkpoints of one run in its scratch folder."""

    def __init__(
        self,
        folder: Path,
        modules: dict[str, nn.Module],
        optimizers: dict[str, optim.Optimizer],
        tensors: Mapping[str, Tensor],
        about: dict[str, Any],
    ):
        """`tensors`: the model's state, restored in place; `about`: metadata of the run for `publish --follow`."""
        self.folder, self.modules, self.optimizers = folder, modules, optimizers
        self.tensors, self.about = tensors, about

    def save(self, state: State) -> None:
        """Writes the state of modules and optimisers; keeps this checkpoint and the previous one."""
        tensors = {f"module/{k}/{name}": t for k, m in self.modules.items() for name, t in m.state_dict().items()}
        tensors |= {f"state/{name}": tensor for name, tensor in self.tensors.items()}
        for key, optimizer in self.optimizers.items():
            for index, values in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer/{key}/{index}/{name}": torch.as_tensor(v) for name, v in values.items()}
        content = packed(tensors, vars(state) | {"about": self.about})
        write_file(self.folder / f"{state.iteration:09d}-{digest_bytes(content)}.safetensors", content)
        for old in self._files()[KEPT:]:
            old.unlink()

    def load(self) -> State:
        """Restores the newest undamaged checkpoint into modules and optimisers; a fresh state if there is none."""
        for file in self._files():
            content = file.read_bytes()
            if digest_bytes(content) != file.stem.partition("-")[2]:
                log(f"{file}: damaged; resuming from the previous checkpoint")
                continue
            return self._restore(content)
        return State()

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*-*.safetensors"), reverse=True)

    def _restore(self, content: bytes) -> State:
        tensors = load(content)
        for key, module in self.modules.items():
            prefix = f"module/{key}/"
            module.load_state_dict({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
        for key, optimizer in self.optimizers.items():
            saved: dict[int, dict[str, Tensor]] = {}
            for name, tensor in tensors.items():
                if name.startswith(f"optimizer/{key}/"):
                    _, _, index, entry = name.split("/")
                    saved.setdefault(int(index), {})[entry] = tensor
            optimizer.load_state_dict({**optimizer.state_dict(), "state": saved})
            for parameter, values in optimizer.state.items():
                values |= {entry: _laid_out(tensor, parameter) for entry, tensor in values.items()}
        for name, tensor in self.tensors.items():
            tensor.copy_(tensors[f"state/{name}"])
        known = metadata(content)
        return State(known["iteration"], known["positions"], known["journal"])


def _laid_out(tensor: Tensor, parameter: Tensor) -> Tensor:
    """A tensor in the memory layout of a parameter of the same shape; fused optimisers pair elements by their place."""
    return torch.empty_like(parameter).copy_(tensor) if tensor.shape == parameter.shape else tensor
