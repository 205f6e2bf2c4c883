"""A training that diverged: a value that is not finite is its outcome, which is recorded as other results are.

Losses, weights and samples are looked at, so that nothing that is not a number becomes a black image with a score.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from ganflow.artifacts import cure, write_json
from ganflow.errors import UserError
from ganflow.training.written_files import Entry

if TYPE_CHECKING:
    from torch import Tensor

FILE = "divergence.json"


class NotFinite(UserError):
    """Values that are NaN or infinite: {what they are: nan, inf or -inf}."""

    def __init__(self, values: Mapping[str, str]):
        self.values = dict(values)
        name = min(self.values)
        super().__init__(
            f"{name}: {self.values[name]}: not finite, as after a training that diverged; choose weights of an earlier "
            "iteration, from the run's snapshots"
        )


class Divergence(BaseModel):
    """How a training diverged."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    iteration: int  # at which it was found
    values: dict[str, str]  # {column of the journal, weights, samples or score: nan, inf or -inf}
    finite_until: int  # the last iteration with a row of the journal, which are all finite; 0: none
    snapshot: int | None  # the last iteration before with saved weights, which are finite
    remedy: str

    def __str__(self) -> str:
        """Where and by what, as a clause."""
        name, *others = sorted(self.values)
        more = f" (one of {len(self.values)} that are not finite)" if others else ""
        return f"diverged at iteration {self.iteration:,}: {name} is {self.values[name]}{more}"

    @property
    def sentence(self) -> str:
        """The clause, what there is of the training, and what to do."""
        journal = f"its journal is finite until iteration {self.finite_until:,}" if self.finite_until else ""
        saved = f"its last finite weights are the snapshot of iteration {self.snapshot:,}" if self.snapshot else ""
        kept = ", ".join(filter(None, [journal, saved])) or "no row of its journal is finite"
        return f"{self}; {kept}; {self.remedy}"


class Diverged(UserError):
    """Ends a training, or the use of one, with its divergence, the finite rows of its journal, and the entries of the
    files that it wrote before."""

    def __init__(
        self,
        divergence: Divergence,
        journal: Sequence[dict[str, float]] = (),
        files: Mapping[str, Entry] = MappingProxyType({}),
    ):
        self.divergence, self.journal, self.files = divergence, list(journal), files
        super().__init__(divergence.sentence)


def check_numbers(numbers: Mapping[str, float]) -> None:
    """Raises NotFinite with those that are not finite."""
    if wrong := {name: str(number) for name, number in numbers.items() if not math.isfinite(number)}:
        raise NotFinite(wrong)


def check_tensors(tensors: Iterable[tuple[str, "Tensor"]]) -> None:
    """Raises NotFinite with the names of the tensors of floating-point numbers, all on one device, that are not finite;
    waits for a GPU once."""
    import torch  # slow to import, and who reads a record needs none

    known = [(name, tensor) for name, tensor in tensors if tensor.is_floating_point()]
    if known and not torch.stack([tensor.isfinite().all() for _, tensor in known]).all():
        wrong = [(name, tensor) for name, tensor in known if not tensor.isfinite().all()]
        raise NotFinite({name: "nan" if tensor.isnan().any() else "inf" for name, tensor in wrong})


@contextmanager
def diverged_at(iteration: int) -> Iterator[None]:
    """Values of the block that are not finite, though its journal is, are a divergence, of an iteration's weights."""
    try:
        yield
    except NotFinite as found:
        remedy = "lower the variant's learning rate in params.yaml"
        raise Diverged(
            Divergence(iteration=iteration, values=found.values, finite_until=iteration, snapshot=None, remedy=remedy)
        ) from None


def write_divergence(folder: Path, divergence: Divergence) -> None:
    """Writes divergence.json."""
    write_json(folder / FILE, divergence.model_dump(mode="json"))


def read_divergence(folder: Path) -> Divergence | None:
    """What divergence.json in a folder of outputs says; None without one. Raises UserError if it is damaged."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return Divergence.model_validate_json(path.read_bytes())
    except ValidationError:
        raise UserError(f"{path}: damaged; {cure(path)}") from None


def refuse_diverged(*folders: Path) -> None:
    """Raises Diverged if one of the folders of a run's outputs says so."""
    for folder in folders:
        if found := read_divergence(folder):
            raise Diverged(found)
