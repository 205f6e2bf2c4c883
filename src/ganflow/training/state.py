"""The state of a run that survives a kill: checkpoints, written atomically and named by their digest.

A checkpoint is one safetensors file, `<iteration>-<sha256>.safetensors`, whose metadata also lists the files that the
run has written beside it, with their digests; the last two are kept. A run goes on from the newest one that is whole
with all its files; what is not, is said and deleted. Nothing is pickled, and nothing larger than a checkpoint is read.
"""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, FiniteFloat, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn, optim

from ganflow.artifacts import CHECKPOINTS, digest_bytes, remove, write_file
from ganflow.config import Model
from ganflow.progress import log
from ganflow.tensor_files import packed
from ganflow.tensor_metadata import metadata
from ganflow.training import written_files
from ganflow.training.written_files import Entry

KEPT = 2
SLOTS = 8  # the most values that an optimiser keeps of a parameter, each of its shape
LARGEST_HEADER = 100 << 20  # bytes; the limit of safetensors
SHOWN = 3  # names in a message

Count = Annotated[int, Field(ge=0, le=2**53)]
Number = Annotated[int, Field(ge=-(2**53), le=2**53)] | FiniteFloat


class State(Model, frozen=False):
    """Completed iterations, batches used of each role of data, the journal so far, and the files written so far, as
    {name in the scratch folder: bytes, sha256}."""

    iteration: Count = 0
    positions: dict[str, Count] = {}
    journal: list[dict[str, Number]] = []
    files: dict[str, Entry] = {}

    @model_validator(mode="after")
    def _is_a_table(self) -> "State":
        if any(row.keys() != self.journal[0].keys() or "iteration" not in row for row in self.journal):
            raise ValueError("the journal is not a table")
        if any(entry.keys() != {"bytes", "sha256"} for entry in self.files.values()):
            raise ValueError("the files have no digests")
        return self


class _Damaged(Exception):
    """A checkpoint that can't be used, and why, file by file."""

    def __init__(self, *faults: str):
        super().__init__(faults)
        self.faults = faults


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
        tensors = self._fixed_tensors()
        for key, optimizer in self.optimizers.items():
            for index, values in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer/{key}/{index}/{name}": torch.as_tensor(v) for name, v in values.items()}
        content = packed(tensors, vars(state) | {"about": self.about})
        write_file(self.folder / f"{state.iteration:09d}-{digest_bytes(content)}.safetensors", content)
        for old in self._files()[KEPT:]:
            remove(old)

    def load(self) -> State:
        """Restores the newest checkpoint that is whole with the files that it lists; a fresh state if there is none.

        Checkpoints after it, and files that it does not list, are deleted: the run writes them again.
        """
        found: list[str] = []
        state = State()
        for file in self._files():
            try:
                state = self._restored(file)
                break
            except _Damaged as damage:
                found += damage.faults
                remove(file)
        if found:
            whence = f"goes on from iteration {state.iteration:,}" if state.iteration else "begins again"
            log(f"{_listed(list(dict.fromkeys(found)))}; the training {whence}")
        if others := written_files.remove_others(self.folder, state.files):
            log(f"{self.folder}: {_listed(others)}: not of the state at iteration {state.iteration:,}, so deleted")
        return state

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(CHECKPOINTS), reverse=True)

    def _fixed_tensors(self) -> dict[str, Tensor]:
        """What a checkpoint holds of modules and of the model's state, by name."""
        tensors = {f"module/{k}/{name}": t for k, m in self.modules.items() for name, t in m.state_dict().items()}
        return tensors | {f"state/{name}": tensor for name, tensor in self.tensors.items()}

    def _restored(self, file: Path) -> State:
        """Restores a checkpoint; raises _Damaged, before anything is changed, if it or a file that it lists is not what
        was written."""
        tensors, state = self._read(file)
        if wrong := written_files.faults(self.folder, state.files):
            raise _Damaged(*(f"{self.folder / name} {fault}" for name, fault in wrong.items()))
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
        return state

    def _read(self, file: Path) -> tuple[dict[str, Tensor], State]:
        """The tensors and the state in a checkpoint; raises _Damaged if they are not those of such a run."""
        if file.is_symlink() or not file.is_file():
            raise _Damaged(f"{file} is not a file")
        held = sum(tensor.nbytes for tensor in self._fixed_tensors().values())
        if (size := file.stat().st_size) > LARGEST_HEADER + SLOTS * held:
            raise _Damaged(f"{file} has {size} bytes, which no checkpoint of this training has")
        content = file.read_bytes()
        if digest_bytes(content) != file.stem.partition("-")[2]:
            raise _Damaged(f"{file} is damaged")
        try:
            tensors, known = load(content), metadata(content)
            state = State(**{key: value for key, value in known.items() if key != "about"})
        except (SafetensorError, ValidationError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise _Damaged(f"{file} holds no checkpoint") from None
        if file.name.partition("-")[0] != f"{state.iteration:09d}" or not self._fit(tensors):
            raise _Damaged(f"{file} is of another training")
        return tensors, state

    def _fit(self, tensors: dict[str, Tensor]) -> bool:
        """Whether tensors have the names, types and shapes of this run's."""
        expected = self._fixed_tensors()
        parameters = {
            f"optimizer/{key}/{index}": parameter
            for key, optimizer in self.optimizers.items()
            for index, parameter in enumerate(p for group in optimizer.param_groups for p in group["params"])
        }
        kept: dict[str, set[str]] = defaultdict(set)  # values of a parameter, by names that all of an optimiser share
        for name in tensors.keys() - expected.keys():
            at, _, value = name.rpartition("/")
            if at not in parameters or tensors[name].shape not in (parameters[at].shape, ()):
                return False
            kept[at].add(value)
        alike = {(at.split("/")[1], frozenset(values)) for at, values in kept.items()}
        return (
            expected.keys() <= tensors.keys()
            and all((tensors[k].dtype, tensors[k].shape) == (t.dtype, t.shape) for k, t in expected.items())
            and len(alike) == len({key for key, _ in alike})
        )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def _laid_out(tensor: Tensor, parameter: Tensor) -> Tensor:
    """A tensor in the memory layout of a parameter of the same shape; fused optimisers pair elements by their place."""
    return torch.empty_like(parameter).copy_(tensor) if tensor.shape == parameter.shape else tensor
