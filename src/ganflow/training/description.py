"""What the manifest of a training and its files of weights say besides their content, as models by which their readers
check them; read without torch."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from ganflow.artifacts import MANIFEST, cure, read_manifest
from ganflow.config import Choice, Model
from ganflow.params_file import checked

ITERATION = "[0-9]" * 9  # how the names of files over training begin: samples/000000100.png


Size = Annotated[int, Field(ge=0, le=1_000_000)]


class Translated(Model):
    """What a module translates, and what it should make of it (ganflow.methods.interfaces.Translation)."""

    source: str
    target: str
    where: dict[str, str]


class Header(BaseModel):
    """The metadata of a file of weights: how to build its network, and where it comes from."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    network: Choice
    part: Literal["generator", "critic", "translator"]
    arguments: dict[str, Size]
    takes: str
    gives: str
    scale: float
    translation: Translated | None = None
    iteration: int = Field(ge=0)
    shape: list[Size] = Field(min_length=1, max_length=3)
    latent: Size
    classes: Size
    dataset: str
    variant: str
    seed: int = Field(ge=0, lt=2**63)


class Chart(Model):
    """A line chart of a journal column (ganflow.methods.interfaces.Chart)."""

    column: str
    figure: str
    axis: str
    title: str
    label: str
    level: float | None
    series: str
    dotted: bool


class Grid(Model):
    """An additional image grid."""

    name: str
    title: str
    caption: str


class Exported(Model):
    """What a file of weights takes and gives."""

    takes: str
    gives: str
    averaged: bool


class Named(Model):
    """A component with its settings."""

    name: str
    settings: dict[str, JsonValue]


class Schedule(BaseModel):
    """The training section of params.yaml, as far as it is read again."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    grid: int = Field(ge=1, le=1000)


class Parameters(BaseModel):
    """The parameters of a training, as far as they are read again."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    optimizer: Named
    training: Schedule


class Description(BaseModel):
    """The entries that the train stage adds to its manifest."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    fingerprint: str = Field(min_length=1)
    parameters: Parameters
    scored: str
    exports: dict[str, Exported]
    charts: list[Chart]
    grids: list[Grid]
    summary: list[str]
    held_out_loss: str
    metric_names: dict[str, str]
    settings: dict[str, Named]
    flags: list[str] = []


def read_description(folder: Path) -> dict[str, Any]:
    """The manifest of a finished training; raises UserError if it is missing, altered, or not one of a training."""
    manifest = read_manifest(folder)
    checked(Description, manifest, file=str(folder / MANIFEST), remedy=cure(folder))
    return manifest


def journal_columns(manifest: dict[str, Any]) -> list[str]:
    """The columns of journal.csv that a manifest speaks of."""
    return ["iteration", manifest["held_out_loss"], *(chart["column"] for chart in manifest["charts"])]
