"""Resolves names of runs: dataset/variant/seed, dataset/variant, the folder of a run, or a weights file."""

from pathlib import Path

from ganflow.config import Experiment, Run
from ganflow.errors import UserError, suggestion
from ganflow.stages.graph import STAGES
from ganflow.training.divergence import read_divergence


def runs_named(experiment: Experiment, name: str) -> list[Run]:
    """The runs of a name: one, or without a seed all seeds.

    Raises UserError if params.yaml has no such run.
    """
    named: dict[str, list[Run]] = {}
    for run in experiment.runs:
        named.setdefault(f"{run.dataset}/{run.variant}", []).append(run)
    named |= {f"{stem}/{run.seed}": [run] for stem, found in named.items() for run in found}
    if name.rstrip("/") not in named:
        raise UserError(f"params.yaml: there is no run {name!r}; {suggestion(name, named, 'there is')}")
    return named[name.rstrip("/")]


def weights_named(experiment: Experiment, name: str, weights: str | None) -> Path:
    """The generator's weights of a run: averaged ones if there are any, unless `weights` is "raw" or "ema".

    Raises UserError if there is no such run, if it diverged, or if it has no weights of that kind.
    """
    path = Path(name)
    if path.is_file():
        return path
    if not path.is_dir():
        dataset, variant, seed = runs_named(experiment, name)[0]
        path = STAGES["train"].folder(experiment.experiment, dataset, variant, str(seed))
    if (found := read_divergence(path)) is not None:
        saved = sorted((path / "snapshots").glob(f"{found.snapshot or 0:09d}-generator*.safetensors"))
        instead = f"its last finite weights are {saved[-1]}" if saved else "it has no finite weights"
        raise UserError(f"{path}: the training {found}; {instead}")
    averaged, raw = path / "generator_ema.safetensors", path / "generator.safetensors"
    if weights == "ema" and not averaged.exists() and raw.exists():
        raise UserError(f"{averaged}: missing: this variant was trained without training.ema; use --weights raw")
    return raw if weights == "raw" or not averaged.exists() else averaged
