"""What every stage does around its work: outputs that appear whole with a manifest, and a log for what varies."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ganflow.artifacts import digest_value, input_digests, read_json, whole_directory, write_json, write_manifest
from ganflow.config import Experiment, read_yaml
from ganflow.errors import UserError
from ganflow.stages.units import Unit

PLAN = Path("build/plan.yaml")
RAW, SHARDS, REFERENCE = Path("data/raw"), Path("data/shards"), Path("data/reference")
RESULTS, LOGS = Path("results"), Path("logs")


def run_folder(experiment: Experiment, *axes: str) -> Path:
    """Where the training run of (dataset, variant, seed) is."""
    return RESULTS.joinpath(experiment.experiment, "runs", *axes)


def score_folder(experiment: Experiment, *axes: str) -> Path:
    """Where the scores of (dataset, variant, seed) are."""
    return RESULTS.joinpath(experiment.experiment, "scores", *axes)


def device_of(experiment: Experiment) -> str:
    """The kind of device that the plan resolved for `auto`, or the one that params.yaml names."""
    if experiment.compute.device != "auto":
        return experiment.compute.device
    if not PLAN.exists():
        raise UserError(f"{PLAN}: not there, and params.yaml says compute.device = auto; run `python -m ganflow plan`")
    return read_yaml(PLAN)["device"]


def fingerprint(unit: Unit, inputs: dict[str, str]) -> str:
    """Names a unit's work on its inputs: equal fingerprints, equal bytes on the same kind of device and CPU."""
    return digest_value({"unit": unit.digest, "inputs": inputs})


@contextmanager
def outputs(unit: Unit, folder: Path, inputs: tuple[Path, ...], about: dict[str, Any] | None = None) -> Iterator[Path]:
    """A folder to fill with a unit's outputs; it appears at `folder`, with its manifest, when the block ends well."""
    found = input_digests(inputs)
    with whole_directory(folder) as partial:
        yield partial
        manifest = {
            "stage": unit.stage,
            "unit": list(unit.axes),
            "digest": unit.digest,
            "fingerprint": fingerprint(unit, found),
            "parameters": unit.parameters,
            "inputs": found,
            "versions": unit.versions,
            **(about or {}),
        }
        write_manifest(partial, manifest)


def write_log(stage: str, axes: tuple[str, ...], **varying: float | str) -> None:
    """Adds to logs/<stage>/<axes>.json what may differ between equal runs: clock, seconds, memory, host."""
    path = LOGS / stage / f"{'-'.join(axes) or stage}.json"
    write_json(path, (read_json(path) if path.exists() else {}) | varying)
