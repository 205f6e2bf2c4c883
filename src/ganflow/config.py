"""params.yaml as frozen models: every key is checked, every default is defined once, every error is one sentence.

The settings of a component (network, objective, source, ...) are declared in its own file; here it is a `Choice`: a
name with settings.
"""

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    PrivateAttr,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from ganflow.params_file import PARAMS, checked, read_yaml

Resize = Literal["lanczos", "lanczos_reduced", "box"]
Encoding = Literal["raw", "webp"]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]


def _hex_digits(digest: str) -> str:
    """A sha256 in lower case, as all digests here are, without the name of a file that a tool printed behind it."""
    found = re.fullmatch(r"(?:sha256:)?([0-9a-f]{64})(?:\s.*)?|", digest.strip().lower())
    if not found:
        raise ValueError(f"a sha256 has 64 hex digits, and this has {len(digest)} characters")
    return found[1] or ""


Sha256 = Annotated[
    str, AfterValidator(_hex_digits), WithJsonSchema({"type": "string", "pattern": "^([0-9a-fA-F]{64})?$"})
]


class Model(BaseModel):
    """Frozen; refuses unknown keys, numbers that are not finite, and implicit conversions, such as from text to a
    number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=())
    short_keys: ClassVar[tuple[str, ...]] = ()  # keys that abbreviate others
    short_form: ClassVar[dict[str, Any] | None] = None  # JSON schema of a value that abbreviates the mapping

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The schema of the mapping, or of its short form."""
        made = handler(core)
        return made if cls.short_form is None else {"anyOf": [cls.short_form, made]}


class In(NamedTuple):
    """Marks a field whose `Choice`s name files of this subpackage, such as methods.objectives."""

    folder: str


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


Arithmetic = Literal["portable", "native"]


class Compute(Model):
    """What decides bits besides the parameters: the thread count, the kind of device and of arithmetic."""

    threads: int = Field(2, ge=1, le=256, description="threads of every stage, set before numpy and torch are imported")
    device: Literal["cpu", "cuda", "auto"] = Field("auto", description="auto: cuda where there is one when planning")
    arithmetic: Arithmetic = Field(
        "portable", description="portable: equal bits on all x86-64 CPUs with AVX2; native: as fast as this CPU can"
    )


class Dataset(Model):
    """A dataset: the source and format of its archives, and the size of its images or points."""

    format: Annotated[Name, In("data.formats")] = Field(description="layout of the archives: a file of data/formats")
    source: Annotated[Choice, In("data.sources")] = Field(
        description="where the archives come from: a file of data/sources"
    )
    resolution: int | None = Field(None, ge=8, le=1024, description="of images: pixels per side, after crop and resize")
    dimension: int | None = Field(None, ge=1, le=1024, description="of points: number of coordinates")
    resize: Resize = Field("lanczos", description="filter; the others are faster and less accurate (docs/data.md)")
    encoding: Encoding = Field(
        "raw", description="of pixels in shards; webp: lossless, smaller, decoded on each access"
    )
    conditions: Annotated[tuple[Choice, ...], In("data.conditions")] = Field(
        (), strict=False, max_length=20, description="what accompanies each image in shards: files of data/conditions"
    )
    shard_size: int = Field(1000, ge=1, le=1_000_000, description="images in one shard")
    max_corrupt: float = Field(
        0.001, ge=0, le=1, description="share of a split's images, rounded up, that may be unusable and are left out"
    )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a stored sample: (height, width, 3) of an image, (d,) of a point."""
        if self.dimension is not None:
            return (self.dimension,)
        assert self.resolution is not None, "one of the two is set"
        return (self.resolution, self.resolution, 3)

    @model_validator(mode="after")
    def _images_or_points(self) -> "Dataset":
        if (self.resolution is None) == (self.dimension is None):
            raise ValueError("needs either `resolution`, if it holds images, or `dimension`, if it holds points")
        return self


class MovingAverage(Model):
    """An exponential moving average of weights, updated after every iteration."""

    short_form: ClassVar = {"type": "number", "minimum": 0, "exclusiveMaximum": 1}
    decay: float = Field(gt=0, lt=1, description="of the average")
    ramp_up: bool = Field(
        False, description="decay min(decay, (1 + t) / (10 + t)) in iteration t, as with TensorFlow's `num_updates`"
    )
    batch_norm: Literal["recomputed", "copied"] = Field(
        "recomputed",
        description="running statistics of the averaged weights: recomputed with them, or copied from the raw weights",
    )


class Training(Model):
    """The training loop."""

    iterations: int = Field(ge=1, le=10**9, description="generator updates")
    batch_size: int = Field(64, ge=1, le=10**6, description="images in a batch")
    latent: int = Field(100, ge=1, le=10**6, description="dimension of the standard normal latent vector")
    generator_batch: int = Field(1, ge=1, le=64, description="batches in the generator's update (WGAN-GP's ResNet: 2)")
    dequantise: bool = Field(
        False, description="critics get 2 (x / 256 - 0.5) + U(0, 1/128) of real images, as in WGAN-GP's CIFAR code"
    )
    precision: Literal["float32", "tf32", "bfloat16"] = Field(
        "float32",
        description="of the networks; tf32: float32 whose factors a GPU rounds to 10 bits of mantissa, penalties too; "
        "bfloat16: penalties stay float32",
    )
    ema: MovingAverage | None = Field(
        None, description="moving average of the generator: its decay, or a mapping; 0 or absent: none"
    )
    journal_every: int = Field(100, ge=1, description="iterations between journal rows")
    sample_every: int = Field(1000, ge=1, description="iterations between sample grids")
    snapshot_every: int = Field(
        10_000,
        ge=1,
        description="iterations between snapshots of the generator, for scores over training and the best snapshot",
    )
    checkpoint_every: int = Field(1000, ge=1, description="iterations between checkpoints")
    grid: int = Field(
        8,
        ge=1,
        le=32,
        description="images per side of a sample grid; its square is the number of points in a plot of points",
    )
    validation_images: int = Field(
        1000,
        ge=1,
        description="at most, of each split, in whole batches, for the losses on training and held-out data",
    )

    @field_validator("ema", mode="before")
    @classmethod
    def _short_ema(cls, value: Any) -> Any:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return {"decay": value} if value else None
        return value

    @model_validator(mode="after")
    def _whole_rows(self) -> "Training":
        if self.checkpoint_every % self.journal_every:
            raise ValueError(
                f"checkpoint_every = {self.checkpoint_every} must be a multiple of "
                f"journal_every = {self.journal_every}, "
                "so that a resumed run writes the same journal"
            )
        return self


class Variant(Model):
    """One line of the experiment: a method with its networks, optimisers and changes of the training section.

    Settings of the method `adversarial` may be keys of the variant itself: `objective: wasserstein` is short for
    `method: {adversarial: {objective: wasserstein}}`.
    """

    short_keys: ClassVar = (
        "critic_network",
        "objective",
        "constraint",
        "generator_constraint",
        "conditioning",
        "critic_steps",
    )

    network: Annotated[Choice, In("networks.families")] = Field(description="a file of networks/families")
    method: Annotated[Choice, In("methods.recipes")] = Field(description="a file of methods/recipes")
    optimizer: Annotated[Choice, In("methods.optimizers")] = Field(
        description="of every player: a file of methods/optimizers"
    )
    optimizers: Annotated[dict[Name, Choice], In("methods.optimizers")] = Field(
        {}, description="of single players by name, such as two learning rates (TTUR, arXiv 1706.08500)"
    )
    datasets: tuple[Name, ...] | None = Field(
        None, min_length=1, strict=False, description="the datasets to train it on; absent: all"
    )
    training: dict[str, Any] = Field({}, description="keys of the training section that this variant overrides")
    _short: bool = PrivateAttr(False)

    @model_validator(mode="wrap")
    @classmethod
    def _short_form(cls, value: Any, handler: ModelWrapValidatorHandler["Variant"]) -> "Variant":
        short = isinstance(value, dict) and not value.keys().isdisjoint(cls.short_keys)
        if short:
            if "method" in value:
                raise ValueError("has both `method` and settings of `adversarial`; move these into the method")
            settings = {key: value[key] for key in cls.short_keys if key in value}
            others = {key: value[key] for key in value.keys() - settings.keys()}
            value = others | {"method": {"adversarial": settings}}
        made = handler(value)
        made._short = short
        return made

    @property
    def method_key(self) -> str:
        """The key of the method's settings in the variant, for messages; empty for the short form."""
        return "" if self._short else f"method.{self.method.name}"


class Curve(Model):
    """A cheap score of each snapshot, with separate latent vectors; the best by the first score is scored in full."""

    metric: Annotated[Choice, In("evaluation.metrics")] = Field(description="a file of evaluation/metrics")
    images: int = Field(500, ge=2, le=10**9, description="generated images of each snapshot")


class Evaluation(Model):
    """Metrics, and the numbers of samples that they use."""

    images: int = Field(1000, ge=2, le=10**9, description="generated images")
    real_images: int | None = Field(
        None, ge=2, description="maximum number of real images of each split; absent: `images`"
    )
    batch_size: int = Field(100, ge=1, le=10**6, description="images generated at a time")
    weights: Literal["ema", "raw"] = Field("raw", description="weights to score; raw for a variant without ema")
    batch_norm: Literal["running", "batch"] = Field(
        "running", description="statistics of the generator's batch normalisation; batch: as in WGAN-GP's code"
    )
    extractor: Annotated[Choice | None, In("evaluation.extractors")] = Field(
        None, description="network whose features some metrics compare: a file of evaluation/extractors"
    )
    metrics: Annotated[tuple[Choice, ...], In("evaluation.metrics")] = Field(
        min_length=1, strict=False, description="files of evaluation/metrics"
    )
    curve: Curve | None = Field(None, description="scores over training; absent: none, and no best iteration")

    @model_validator(mode="after")
    def _batches_with_statistics(self) -> "Evaluation":
        if self.batch_norm == "batch" and self.batch_size < 2:
            raise ValueError(
                "batch_norm = 'batch' needs batch_size = 2 or more: one image has no statistics of a batch"
            )
        return self

    @property
    def max_real_images(self) -> int:
        """Maximum number of real images of a split."""
        return self.real_images or self.images


class Run(NamedTuple):
    """One training: a variant on a dataset with a seed."""

    dataset: str
    variant: str
    seed: int


class Experiment(Model):
    """The contents of params.yaml."""

    experiment: Name
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...] = Field(min_length=1, strict=False)
    compute: Compute = Compute()
    datasets: dict[Name, Dataset] = Field(min_length=1)
    variants: dict[Name, Variant] = Field(min_length=1)
    training: Training
    evaluation: Evaluation
    studies: Annotated[tuple[Choice, ...], In("studies.cases")] = Field(
        (), strict=False, description="numerical studies of the theory: files of studies/cases"
    )

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("is not a list of different seeds; remove the repeated one")
        return seeds

    @model_validator(mode="after")
    def _consistent(self) -> "Experiment":
        for name, variant in self.variants.items():
            for dataset in variant.datasets or ():
                if dataset not in self.datasets:
                    raise ValueError(
                        f"variants.{name}.datasets: there is no dataset {dataset!r}; name some of "
                        f"{', '.join(self.datasets)}"
                    )
        for run in self.runs:
            if self.training_of(run.variant).dequantise and self.datasets[run.dataset].dimension is not None:
                raise ValueError(
                    f"variants.{run.variant}: dequantise is noise on 8-bit images, and datasets.{run.dataset} "
                    "are points"
                )
        if idle := sorted(self.datasets.keys() - {run.dataset for run in self.runs}):
            raise ValueError(f"datasets.{idle[0]}: no variant is trained on it; remove it, or name it in a variant")
        for name, described in self.datasets.items():
            if (described.source.name == "rendered") != name.startswith("rendered_"):
                raise ValueError(
                    f"datasets.{name}: its source is `{described.source.name}`; a dataset with the source `rendered`, "
                    "and no other, has a name that starts with `rendered_`, so that it is not mistaken for real data"
                )
        return self

    @property
    def runs(self) -> tuple[Run, ...]:
        """All trainings: every variant on each of its datasets with each seed."""
        return tuple(
            Run(dataset, name, seed)
            for dataset in self.datasets
            for name, variant in self.variants.items()
            if variant.datasets is None or dataset in variant.datasets
            for seed in self.seeds
        )

    def training_of(self, variant: str) -> Training:
        """The training section with the changes of a variant."""
        changes = self.variants[variant].training
        merged = self.training.model_dump() | changes
        return checked(Training, merged, f"variants.{variant}.training")


def load(path: Path = PARAMS) -> Experiment:
    """Reads and checks an experiment; raises UserError with one sentence for each error."""
    return checked(Experiment, read_yaml(path), "", str(path))
