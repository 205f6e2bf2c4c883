"""Loads the finished runs of params.yaml from files: journal, curve, sample grids, scores and manifests, or how a
training diverged."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganflow.artifacts import MANIFEST, cure, read_csv, read_manifest, read_model
from ganflow.config import Experiment
from ganflow.errors import UserError
from ganflow.evaluation.records import NeighbourRecord, Score
from ganflow.training.description import ITERATION, journal_columns, read_description
from ganflow.training.divergence import FILE, Divergence, read_divergence

WORDS = {
    "wasserstein": "Wasserstein",
    "frechet": "Fréchet",
    "inception": "Inception",
    "em": "EM",
    "fid": "FID",
    "kid": "KID",
    "psnr": "PSNR",
}
COMPONENTS = ("network", "method", "optimizer", "optimizers")  # parameters that name components


@dataclass(frozen=True)
class Neighbours:
    """Samples with their nearest training images: the image file, and feature distances."""

    image: Path
    distances: list[list[float]]
    real_distance: float  # median distance of training images to the nearest other one
    first: int  # number of first samples; the others are those nearest to any training image

    @property
    def ratios(self) -> list[float]:
        """The distance of each sample to the nearest training image, in units of `real_distance`."""
        unit = self.real_distance or 1.0  # if most training images are equal, no scale
        return [distances[0] / unit for distances in self.distances]

    @property
    def ranges(self) -> str:
        """The ranges of `ratios` for the first and for the nearest samples."""
        parts = {"first": self.ratios[: self.first], "nearest": self.ratios[self.first :]}
        return ", ".join(f"{name} {min(part):.2f} to {max(part):.2f}" for name, part in parts.items() if part)


@dataclass(frozen=True)
class TrainingRecord:
    """One training; `samples` holds (iteration, path of a PNG grid) in the order of training."""

    dataset: str
    variant: str
    seed: int
    folder: Path
    journal: dict[str, np.ndarray]
    samples: list[tuple[int, Path]]
    manifest: dict[str, Any]

    @property
    def name(self) -> str:
        """The run's name in tables."""
        return f"{self.dataset} {self.variant} {self.seed}"

    @property
    def points(self) -> bool:
        """Whether its samples are points, which are stored next to each figure."""
        return bool(self.samples) and self.samples[-1][1].with_suffix(".safetensors").exists()

    @property
    def method(self) -> str:
        """Method and optimiser, in words."""
        return ", ".join(map(in_words, [*self.manifest["summary"], self.manifest["parameters"]["optimizer"]["name"]]))

    def component(self, key: str) -> str | None:
        """The name of a component by its key in the variant (objective, conditioning); None if the method has none."""
        return self.manifest["settings"].get(key, {}).get("name")

    @property
    def parameters(self) -> dict[str, Any]:
        """{dotted key: value} of the resolved parameters, including default settings of components."""
        rest = {key: value for key, value in self.manifest["parameters"].items() if key not in COMPONENTS}
        return flat(rest | self.manifest["settings"])


@dataclass(frozen=True)
class RunRecord(TrainingRecord):
    """A training with its scores."""

    score: dict[str, Any]
    score_fingerprint: str
    score_digest: str  # sha256 of score.json
    curve: dict[str, np.ndarray] | None  # scores of the snapshots over `iteration`, if computed
    neighbours: Neighbours | None  # if features were extracted


@dataclass(frozen=True)
class DivergedRun(TrainingRecord):
    """A training that diverged: its journal and samples from before, and no score."""

    divergence: Divergence
    score_fingerprint: str

    @property
    def curve(self) -> None:
        """Snapshots are not scored."""
        return None


def parted(runs: Iterable[RunRecord | DivergedRun]) -> tuple[list[RunRecord], list[DivergedRun]]:
    """The runs that have scores, and those that diverged."""
    scored: list[RunRecord] = []
    diverged: list[DivergedRun] = []
    for run in runs:
        if isinstance(run, RunRecord):
            scored.append(run)
        else:
            diverged.append(run)
    return scored, diverged


def load_runs(experiment: Experiment, results: Path) -> list[RunRecord | DivergedRun]:
    """The runs of every dataset, variant and seed; raises UserError that names the first file that is missing, damaged,
    or unlike another seed's."""
    top = results / experiment.experiment
    runs = [load_run(top, *run) for run in experiment.runs]
    first: dict[tuple[str, str], RunRecord] = {}
    for run in parted(runs)[0]:
        other = first.setdefault((run.dataset, run.variant), run)
        if not (_alike(run.journal, other.journal) and _alike(run.curve or {}, other.curve or {})):
            raise UserError(
                f"{run.folder} and {other.folder}: journals or curves of one variant with other columns or iterations; "
                f"{cure(run.folder, other.folder)}"
            )
    return runs


def _alike(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    """Whether two tables have the same columns and iterations."""
    return one.keys() == other.keys() and np.array_equal(one.get("iteration", ()), other.get("iteration", ()))


def load_run(top: Path, dataset: str, variant: str, seed: int) -> RunRecord | DivergedRun:
    """One run below results/<experiment>; raises UserError that names the first file that is missing or damaged."""
    axes = (dataset, variant, str(seed))
    folder = top.joinpath("runs", *axes)
    manifest = read_description(folder)
    scores = top.joinpath("scores", *axes)
    samples = [(int(path.stem), path) for path in sorted((folder / "samples").glob(f"{ITERATION}.png"))]
    scored = read_manifest(scores)
    if "fingerprint" not in scored:
        raise UserError(f"{scores / MANIFEST}: names no scores; {cure(scores)}")
    if divergence := read_divergence(scores):
        journal = _columns(folder / "journal.csv", *journal_columns(manifest)) if divergence.finite_until else {}
        return DivergedRun(
            dataset, variant, seed, folder, journal, samples, manifest, divergence, scored["fingerprint"]
        )
    if (folder / FILE).exists():
        raise UserError(f"{scores}: was made before the training diverged; run `dvc repro`")
    if "score.json" not in scored["outputs"]:
        raise UserError(f"{scores / MANIFEST}: names no scores; {cure(scores)}")
    score = read_model(Score, scores / "score.json")
    journal = _columns(folder / "journal.csv", *journal_columns(manifest))
    curve = top.joinpath("generated", *axes, "curve.csv")
    has_curve = score["best"] is not None or curve.exists()
    if not samples:
        raise UserError(f"{folder}/samples: has no sample grid; {cure(folder)}")
    return RunRecord(
        dataset,
        variant,
        seed,
        folder,
        journal,
        samples,
        manifest,
        score,
        scored["fingerprint"],
        scored["outputs"]["score.json"]["sha256"],
        _columns(curve, "iteration") if has_curve else None,
        _neighbours(scores / "neighbours.png"),
    )


def _columns(path: Path, *needed: str) -> dict[str, np.ndarray]:
    return {column: np.array(numbers) for column, numbers in read_csv(path, *needed).items()}


def _neighbours(image: Path) -> Neighbours | None:
    if not image.exists():
        return None
    about = read_model(NeighbourRecord, image.with_suffix(".json"))
    return Neighbours(image, about["distances"], about["real_distance"], about["first"])


def in_words(name: str) -> str:
    """A name of params.yaml in words."""
    return " ".join(WORDS.get(word, word) for word in name.split("_"))


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """{dotted key: value} of nested mappings."""
    if not isinstance(value, dict):
        return {prefix: value}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= flat(inner, f"{prefix}.{key}" if prefix else key)
    return found
