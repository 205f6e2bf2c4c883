"""Outcomes of trainings: a divergence is recorded in the outputs of every stage of its run, so that neither engine
trains it again, and other runs go on.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ganflow.artifacts import MANIFEST, read_manifest
from ganflow.errors import UserError
from ganflow.progress import log
from ganflow.stages.units import Unit
from ganflow.training.divergence import Diverged, Divergence, read_divergence, write_divergence

DIVERGED = 3  # exit code of what reports on an experiment in which a training diverged
STAGES_OF_A_RUN = ("train", "generate", "evaluate")


@contextmanager
def recording(unit: Unit, folder: Path, write: Callable[[Path, Divergence], None] = write_divergence) -> Iterator[None]:
    """If the block ends with Diverged, `write` fills the folder of outputs, without what the block left there."""
    try:
        yield
    except Diverged as found:
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        write(folder, found.divergence)
        log(f"{unit}: no score: the training {found.divergence}")


def divergences(units: list[Unit]) -> dict[str, Divergence]:
    """{dataset/variant/seed: its divergence} of the trainings among some units that are up to date with params.yaml and
    the source; `verify` names what is damaged."""
    trained: set[tuple[str, ...]] = set()
    found: dict[str, Divergence] = {}
    for unit in units:
        if unit.stage in STAGES_OF_A_RUN and (unit.output / MANIFEST).is_file():
            with suppress(UserError):
                if unit.stage == "train" and read_manifest(unit.output).get("digest") == unit.digest:
                    trained.add(unit.axes)
                if unit.axes in trained and (one := read_divergence(unit.output)):
                    found.setdefault("/".join(unit.axes), one)
    return found


def say_divergences(units: list[Unit]) -> int:
    """Prints a sentence for each training that diverged; returns the exit code: 0 if none did, else DIVERGED."""
    found = divergences(units)
    for name, divergence in found.items():
        print(f"{name} {divergence.sentence}")
    if found:
        trainings = sum(unit.stage == "train" for unit in units)
        print(f"{len(found)} of {trainings} trainings diverged and have no score (exit code {DIVERGED})")
    return DIVERGED if found else 0
