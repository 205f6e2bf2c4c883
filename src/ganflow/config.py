"""params.yaml as frozen models: every key is checked, every default stands here once, every mistake is one sentence.

The file is read by YAML 1.2, as DVC reads it. What a component (network, objective, source, ...) takes is declared in
the component's own file; here it is a `Choice`: a name and its settings.
"""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from ganflow.errors import UserError

PARAMS = Path("params.yaml")
LARGEST_FILE = 1 << 20  # bytes; an experiment is a page or two

T = TypeVar("T", bound=BaseModel)
Resize = Literal["lanczos", "lanczos_reduced", "box"]
Encoding = Literal["raw", "webp"]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]


class Model(BaseModel):
    """Frozen, refuses unknown keys and silent conversions (a number written as text stays text)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=())


class Choice(Model):
    """A component by the name of its file, with its settings: `none` or `{gradient_penalty: {weight: 10.0}}`."""

    name: Name
    settings: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and "name" in value:
            return value
        if isinstance(value, dict) and len(value) == 1:
            [(name, settings)] = value.items()
            return {"name": name, "settings": {} if settings is None else settings}
        raise ValueError("write a name, or a name with its settings: `{name: {key: value}}`")


class Compute(Model):
    """What decides bits besides the parameters: the thread count and the kind of device."""

    threads: int = Field(2, ge=1, le=256, description="threads of every stage, set before numpy and torch are imported")
    device: Literal["cpu", "cuda", "auto"] = Field("auto", description="auto: cuda where there is one when planning")


class Dataset(Model):
    """A dataset: where its archives come from, how they are read, how its images are cut or how long its points are."""

    format: Name = Field(description="layout of the archives: a file of data/formats")
    source: Choice = Field(description="where the archives come from: a file of data/sources")
    resolution: int | None = Field(None, ge=8, le=1024, description="of images: pixels a side, after crop and resize")
    dimension: int | None = Field(None, ge=1, le=1024, description="of points: their coordinates")
    resize: Resize = Field("lanczos", description="filter; the others are faster and less exact (docs/data.md)")
    encoding: Encoding = Field(
        "raw", description="of pixels in shards; webp: lossless, smaller, decoded on each access"
    )
    shard_size: int = Field(1000, ge=1, le=1_000_000, description="images in one shard")
    most_broken: float = Field(
        0.001, ge=0, le=1, description="share of a split's images, rounded up, that may be unusable and are left out"
    )

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a stored sample: (height, width, 3) of an image, (d,) of a point."""
        return (self.dimension,) if self.resolution is None else (self.resolution, self.resolution, 3)

    @model_validator(mode="after")
    def _images_or_points(self) -> "Dataset":
        if (self.resolution is None) == (self.dimension is None):
            raise ValueError("needs either `resolution`, if it holds images, or `dimension`, if it holds points")
        return self


class CriticSteps(Model):
    """Critic updates per generator update; `boost` at the start and now and then, as in the WGAN authors' code."""

    steps: int = Field(1, ge=1, description="critic updates before each generator update")
    boost: int | None = Field(None, ge=1, description="critic updates at boosted iterations")
    boost_first: int = Field(25, ge=0, description="the first so many generator iterations are boosted")
    boost_every: int = Field(500, ge=1, description="and every so many")

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        return {"steps": value} if isinstance(value, int) else value

    def at(self, iteration: int) -> int:
        """Critic updates before the generator update `iteration` (from 0)."""
        boosted = self.boost and (iteration < self.boost_first or iteration % self.boost_every == 0)
        return self.boost if boosted else self.steps


class Training(Model):
    """The training loop."""

    iterations: int = Field(ge=1, description="generator updates")
    batch_size: int = Field(64, ge=1, description="images in a batch")
    latent: int = Field(100, ge=1, description="dimension of the standard normal latent vector")
    generator_batch: int = Field(1, ge=1, le=64, description="batches in the generator's update (WGAN-GP's ResNet: 2)")
    dequantise: bool = Field(
        False, description="critics see 2 (x / 256 - 0.5) + U(0, 1/128) of real images, as in WGAN-GP's CIFAR code"
    )
    precision: Literal["float32", "bfloat16"] = Field("float32", description="of the networks; penalties stay float32")
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the generator's moving average; 0: none")
    journal_every: int = Field(100, ge=1, description="iterations between journal rows")
    sample_every: int = Field(1000, ge=1, description="iterations between sample grids")
    snapshot_every: int = Field(
        10_000, ge=1, description="iterations between snapshots of the generator, of which curves and the best are made"
    )
    checkpoint_every: int = Field(1000, ge=1, description="iterations between checkpoints")
    grid: int = Field(
        8, ge=1, le=32, description="images a side of a sample grid; its square of points in a picture of points"
    )
    validation_images: int = Field(1000, ge=1, description="at most so many held-out images in the validation loss")

    @model_validator(mode="after")
    def _rows_are_whole(self) -> "Training":
        if self.checkpoint_every % self.journal_every:
            raise ValueError(
                f"checkpoint_every = {self.checkpoint_every} must be a multiple of "
                f"journal_every = {self.journal_every}, "
                "so that a resumed run writes the same journal"
            )
        return self


class Variant(Model):
    """One method: networks, objective, constraint and optimiser, with what it changes in the training section."""

    network: Choice = Field(description="a file of networks/families")
    critic_network: Choice | None = Field(None, description="the critic's family; absent: the generator's")
    objective: Choice = Field(description="what both minimise: a file of methods/objectives")
    constraint: Choice = Field(Choice(name="none"), description="of the critic: a file of methods/constraints")
    conditioning: Choice = Field(Choice(name="none"), description="on classes: a file of methods/conditionings")
    optimizer: Choice = Field(description="of both networks: a file of methods/optimizers")
    critic_steps: CriticSteps = Field(CriticSteps(), description="critic updates per generator update")
    training: dict[str, Any] = Field({}, description="keys of the training section that this variant sets otherwise")


class Curve(Model):
    """A cheap score of each snapshot of a training, by latent vectors of its own; the best snapshot is scored in full.

    Its first score says which is best.
    """

    metric: Choice = Field(description="a file of evaluation/metrics")
    images: int = Field(500, ge=2, description="generated images of each snapshot")


class Evaluation(Model):
    """What is measured, and on how much."""

    images: int = Field(1000, ge=2, description="generated images")
    real_images: int | None = Field(None, ge=2, description="at most so many of each split; absent: as many")
    batch_size: int = Field(100, ge=1, description="images generated at a time")
    weights: Literal["ema", "raw"] = Field(
        "raw", description="weights to score; a variant without ema has raw ones only"
    )
    batch_norm: Literal["running", "batch"] = Field(
        "running", description="statistics of the generator's batch normalisation; batch: as in WGAN-GP's code"
    )
    extractor: Choice | None = Field(
        None, description="of the features that some metrics compare: a file of evaluation/extractors"
    )
    metrics: tuple[Choice, ...] = Field(min_length=1, strict=False, description="files of evaluation/metrics")
    curve: Curve | None = Field(None, description="scores over training; absent: none, and no best iteration")

    @property
    def most_real(self) -> int:
        """Real images of a split at most."""
        return self.real_images or self.images


class Experiment(Model):
    """The whole of params.yaml."""

    experiment: Name
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...] = Field(min_length=1, strict=False)
    compute: Compute = Compute()
    datasets: dict[Name, Dataset] = Field(min_length=1)
    variants: dict[Name, Variant] = Field(min_length=1)
    training: Training
    evaluation: Evaluation
    studies: tuple[Choice, ...] = Field((), strict=False, description="of the theory: files of studies")

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("each seed may stand there once")
        return seeds

    @model_validator(mode="after")
    def _consistent(self) -> "Experiment":
        points = [name for name, dataset in self.datasets.items() if dataset.dimension is not None]
        for name in self.variants:
            if self.training_of(name).dequantise and points:
                raise ValueError(
                    f"variants.{name}: dequantise is noise on 8-bit images, and datasets.{points[0]} are points"
                )
        for name, dataset in self.datasets.items():
            if (dataset.source.name == "rendered") != name.startswith("rendered_"):
                raise ValueError(
                    f"datasets.{name}: its source is `{dataset.source.name}`; a dataset with the source `rendered`, "
                    "and no other, has a name that begins with `rendered_`: drawings never go by the name of real data"
                )
        return self

    def training_of(self, variant: str) -> Training:
        """The training section as it holds for a variant."""
        changes = self.variants[variant].training
        merged = self.training.model_dump() | changes
        return checked(Training, merged, f"variants.{variant}.training")


def load(path: Path = PARAMS) -> Experiment:
    """Reads and checks an experiment; raises UserError with one sentence a mistake."""
    return checked(Experiment, read_yaml(path), "", str(path))


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML 1.2 file of at most 1 MiB; duplicate keys and tags are refused."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UserError(f"{path}: larger than {LARGEST_FILE} bytes; this is not a parameter file")
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run from the top of the repository") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}{where}: not valid YAML: {' '.join(str(error.problem).split())}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: must be a mapping of keys to values")
    return content


def checked(model: type[T], value: Any, where: str = "", file: str = str(PARAMS)) -> T:
    """`value` as a `model`; raises UserError that names file, key, value and cure for each mistake."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = error.errors()
        causes = [problem for problem in problems if not _follows(problem["loc"], problems)]
        raise UserError("\n".join(_sentence(model, problem, where, file) for problem in causes)) from None


def _follows(place: tuple[int | str, ...], problems: list[dict[str, Any]]) -> bool:
    """Whether a problem lies around another one, as that of a list left empty by an item that was refused."""
    return any(len(p["loc"]) > len(place) and p["loc"][: len(place)] == place for p in problems)


def _sentence(model: type[BaseModel], problem: dict[str, Any], where: str, file: str) -> str:
    path = [str(part) for part in problem["loc"] if part != "[key]"]
    key = ".".join(filter(None, [where, *path]))
    found = problem["input"]
    shown = f" = {found!r}" if isinstance(found, str | int | float | bool) else ""
    match problem["type"]:
        case "extra_forbidden":
            known = sorted(_fields_at(model, path[:-1]))
            near = difflib.get_close_matches(path[-1], known, n=1)
            cure = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(known) or 'none'}"
            return f"{file}: {key}: unknown key; {cure}"
        case "missing":
            return f"{file}: {key}: is missing; add it"
        case "string_pattern_mismatch":
            return f"{file}: {key}{shown}: a name has lower-case letters, digits and _ and begins with a letter"
        case "too_short":
            return f"{file}: {key}: is empty; name at least {problem['ctx']['min_length']}"
        case _:
            text = problem["msg"].removeprefix("Value error, ")
            return f"{file}: {key + shown + ': ' if key else ''}{text[:1].lower() + text[1:]}"


def _fields_at(annotation: Any, path: list[str]) -> set[str]:
    """The keys that the models know at a path of keys."""
    for part in path:
        if get_origin(annotation) in (dict, tuple):
            annotation = get_args(annotation)[get_origin(annotation) is dict]
        else:
            annotation = annotation.model_fields[part].annotation
    return set(annotation.model_fields) if hasattr(annotation, "model_fields") else set()
