"""Common parts of all stages: outputs that are written atomically with a manifest, and logs."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from pydantic import JsonValue

from ganflow.artifacts import (
    atomic_directory,
    digest_value,
    known_json,
    read_model,
    remove,
    scratch,
    write_json,
    write_manifest,
)
from ganflow.config import Experiment, Model
from ganflow.errors import UserError
from ganflow.locks import held
from ganflow.progress import RunLog, log
from ganflow.stages.units import Unit

PLAN = Path("build/plan.json")
LOGS = Path("logs")
LOCKS = Path("build/locks")  # outside all outputs, which engines delete before they run a stage
WHOSE = "unit.json"  # in a scratch folder: whose it is
_HELD: list[FileLock] = []


class Plan(Model):
    """build/plan.json: the kind of device, and one digest a unit, nested by stage and axes."""

    device: Literal["cpu", "cuda"]
    units: dict[str, JsonValue]


def device_of(experiment: Experiment) -> str:
    """The kind of device in params.yaml, or the one that the plan resolved for `auto`."""
    if experiment.compute.device != "auto":
        return experiment.compute.device
    if not PLAN.exists():
        raise UserError(f"{PLAN}: missing, and params.yaml has compute.device = auto; run `python -m ganflow plan`")
    return str(read_model(Plan, PLAN, "run `python -m ganflow plan`, which writes it anew")["device"])


def claim_gpu(count: int) -> int:
    """One of `count` GPUs that no other stage in this folder holds, held until the process ends; 0 if all are held."""
    for index in range(count):
        lock = FileLock(PLAN.parent / f"gpu-{index}.lock")
        with suppress(Timeout):
            lock.acquire(timeout=0)
            _HELD.append(lock)
            return index
    return 0


def only_writer(unit: Unit) -> AbstractContextManager[None]:
    """Holds a unit's lock: no other process makes, replaces or signs its outputs meanwhile. Raises UserError, which
    names the process, if one does."""
    return held(lock_path(unit), str(unit))


def lock_path(unit: Unit) -> Path:
    """The lock file of a unit."""
    return LOCKS / f"{'-'.join([unit.stage, *unit.axes])}.lock"


def scratch_of(unit: Unit, fingerprint: str) -> Path:
    """The scratch folder of a unit with its inputs, with a note of whose it is for those who clean up."""
    folder = scratch(unit.stage, fingerprint)
    if (folder / WHOSE).is_dir():
        remove(folder / WHOSE)
    write_json(folder / WHOSE, {"unit": str(unit), "digest": unit.digest})
    return folder


def fingerprint(unit: Unit) -> str:
    """Identifies a unit with its inputs: equal fingerprints give equal bytes on the same kind of device and CPU.

    Raises UserError if an input is missing or not finished.
    """
    return digest_value({"unit": unit.digest, "inputs": unit.input_digests()})


@contextmanager
def outputs(unit: Unit, about: dict[str, Any] | None = None, known: Mapping[str, str] | None = None) -> Iterator[Path]:
    """A folder to fill with a unit's outputs; becomes the output, with a manifest, if the block ends without an error.

    The block may still fill `known`: the digests, by name, of files that need not be read again for the manifest.
    """
    origin = {
        "stage": unit.stage,
        "unit": list(unit.axes),
        "digest": unit.digest,
        "fingerprint": fingerprint(unit),
        "parameters": unit.parameters,
        "inputs": unit.input_digests(),
        "versions": unit.versions,
        "code": unit.code,
    }
    with atomic_directory(unit.output) as partial:
        yield partial
        write_manifest(partial, about or {}, known, origin)


def log_path(unit: Unit, suffix: str) -> Path:
    """The path of a unit's log: .log for its messages, .json for values that differ between equal runs."""
    return LOGS / unit.stage / f"{unit.kind.key(*unit.axes)}{suffix}"


def write_log(unit: Unit, **varying: float | str) -> None:
    """Adds values that differ between equal runs to a unit's .json log: time, seconds, memory, host.

    The unit is finished without it: a damaged log is begun anew, and one that can't be written is told.
    """
    path = log_path(unit, ".json")
    try:
        write_json(path, (known_json(RunLog, path) or {}) | varying)
    except OSError as error:
        log(f"{path}: not written ({error.strerror}); {unit} is finished all the same")


def gpu_facts() -> dict[str, float | str]:
    """The GPU that this process has computed on, and the most memory that its tensors took at once, in MiB, for the
    unit's log; nothing without a GPU.

    They are not in the journal, whose bytes are equal on all machines of a kind: it holds what a training computed,
    and not how.
    """
    torch = sys.modules.get("torch")  # stages that compute nothing have not imported it
    if torch is None or not torch.cuda.is_initialized():
        return {}
    peak = torch.cuda.max_memory_allocated() / 2**20
    return {"gpu": torch.cuda.get_device_name(), "peak_device_memory_mib": round(peak, 1)}
