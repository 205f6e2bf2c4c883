"""The finished runs that params.yaml names, read from files: journal, sample grids, scores and manifests."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganflow.artifacts import MANIFEST, read_json
from ganflow.config import Experiment
from ganflow.errors import UserError


@dataclass(frozen=True)
class RunRecord:
    """One training run with its scores; `samples` holds (iteration, path of a PNG grid) in the order of training."""

    dataset: str
    variant: str
    seed: int
    folder: Path
    journal: dict[str, np.ndarray]
    samples: list[tuple[int, Path]]
    manifest: dict[str, Any]
    score: dict[str, Any]
    scored: str  # fingerprint of the scores
    score_digest: str  # sha256 of score.json

    @property
    def name(self) -> str:
        """What the run is called in tables."""
        return f"{self.dataset} {self.variant} {self.seed}"

    @property
    def points(self) -> bool:
        """Whether its samples are points: then a file beside each picture holds them."""
        return self.samples[-1][1].with_suffix(".safetensors").exists()

    @property
    def method(self) -> str:
        """Objective, constraint, updates and iterations in a few words."""
        chosen = self.manifest["parameters"]
        constraint = self.manifest["constraint"]
        words = [chosen["objective"]["name"], constraint if constraint != "none" else "", chosen["optimizer"]["name"]]
        steps = chosen["critic_steps"]["steps"]
        return ", ".join([spoken(word) for word in words if word] + ([f"critic × {steps}"] if steps > 1 else []))

    @property
    def estimate(self) -> str:
        """What its critic estimates; with a slope that nobody knows, the estimate has a name of its own."""
        legend = self.manifest["legend"]
        unknown = " (times an unknown constant, the critic's slope)" if legend["slope"] == "unknown" else ""
        return legend["estimate"] + unknown

    @property
    def parameters(self) -> dict[str, Any]:
        """{dotted key: value} of the resolved parameters, components with the settings that they took by default."""
        settings = self.manifest["settings"]
        resolved = {
            key: {**(value or {}), "settings": settings[key]} if key in settings else value
            for key, value in self.manifest["parameters"].items()
        }
        return flat(resolved)


def load_runs(experiment: Experiment, results: Path) -> list[RunRecord]:
    """The runs of every dataset, variant and seed; raises UserError that names the first file that is missing."""
    top = results / experiment.experiment
    return [
        load_run(top, dataset, variant, seed)
        for dataset in experiment.datasets
        for variant in experiment.variants
        for seed in experiment.seeds
    ]


def load_run(top: Path, dataset: str, variant: str, seed: int) -> RunRecord:
    """One run below results/<experiment>; raises UserError that names the first file that is missing or damaged."""
    axes = (dataset, variant, str(seed))
    folder = top.joinpath("runs", *axes)
    manifest = read_json(folder / MANIFEST)
    scores = top.joinpath("scores", *axes)
    score, scored = read_json(scores / "score.json"), read_json(scores / MANIFEST)
    try:
        with (folder / "journal.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        journal = {column: np.array([float(row[column]) for row in rows]) for column in rows[0]}
    except FileNotFoundError:
        raise UserError(f"{folder}/journal.csv: not there; run `dvc repro` to make it") from None
    except (ValueError, TypeError, IndexError):
        raise UserError(f"{folder}/journal.csv: damaged; delete {folder} and run `dvc repro`") from None
    samples = [(int(path.stem), path) for path in sorted((folder / "samples").glob("*.png"))]
    if not samples:
        raise UserError(f"{folder}/samples: holds no sample grid; delete {folder} and run `dvc repro`")
    fingerprint, digest = scored["fingerprint"], scored["outputs"]["score.json"]["sha256"]
    return RunRecord(dataset, variant, seed, folder, journal, samples, manifest, score, fingerprint, digest)


def spoken(name: str) -> str:
    """A name of params.yaml as words."""
    return name.replace("_", " ").replace("wasserstein", "Wasserstein")


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """{dotted key: value} of nested mappings."""
    if not isinstance(value, dict):
        return {prefix: value}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= flat(inner, f"{prefix}.{key}" if prefix else key)
    return found
