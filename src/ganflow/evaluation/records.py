"""What score.json, checks.json and neighbours.json hold, as models by which their readers check them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, model_validator

from ganflow.config import Model
from ganflow.evaluation.checks import HELD_OUT
from ganflow.training.description import Translated

Scores = dict[str, float]
Direction = Literal["lower", "higher"]


class Check(Model):
    """The scores of held-out real samples, or of a degradation of them."""

    samples: int = Field(ge=0)
    scores: Scores


def _with_held_out(checks: dict[str, Check]) -> dict[str, Check]:
    if HELD_OUT not in checks:
        raise ValueError(f"has no {HELD_OUT}")
    return checks


RealScores = Annotated[dict[str, Check], AfterValidator(_with_held_out)]


class Literature(Model):
    """Our score of a complete set of real images, and the published one."""

    found: float
    expected: float
    source: str
    agrees: bool


class Checks(Model):
    """checks.json: what the reference stage found of real samples."""

    checks: RealScores
    flags: list[str]
    literature: dict[str, Literature]
    real_images: int = Field(ge=0)
    real_distance: float | None = Field(None, ge=0)


class Extractor(Model):
    """The network of the features."""

    name: str
    sha256: str
    resize: str
    computation: str = ""


class Protocol(Model):
    """How the scores were computed."""

    images: int = Field(ge=0)
    real_images: int = Field(ge=0)
    real_split: str
    check_split: str
    batch_size: int = Field(ge=0)
    weights: Literal["ema", "raw"]
    batch_norm: str
    ema_batch_norm: str | None
    seed: int
    iteration: str
    best: str | None
    extractor: Extractor | None
    translation: Translated | None = None
    metrics: dict[str, JsonValue]
    versions: dict[str, str]


class Best(Model):
    """The scores of the best snapshot."""

    iteration: int = Field(ge=0)
    scores: Scores


class Score(Model):
    """score.json: the scores of one trained generator."""

    dataset: str
    variant: str
    seed: int
    iteration: int = Field(ge=0)
    scores: Scores
    best: Best | None
    better: dict[str, Direction]
    order: list[str]
    compares: dict[str, str]
    continuous: list[str]
    checks: RealScores
    flags: list[str]
    literature: dict[str, Literature]
    held_out_loss: float
    protocol: Protocol

    @model_validator(mode="after")
    def _names_agree(self) -> "Score":
        for key, names in (("scores", self.scores), ("best.scores", self.best.scores if self.best else self.scores)):
            if absent := self.better.keys() - names:
                raise ValueError(f"{key} lacks {min(absent)}, of which `better` has the direction")
        if absent := self.better.keys() - set(self.order):
            raise ValueError(f"order lacks {min(absent)}, of which `better` has the direction")
        if self.best and self.protocol.best is None:
            raise ValueError("protocol.best is null, and there is a best snapshot")
        return self


class NeighbourRecord(Model):
    """neighbours.json: samples with their nearest training images, by their indices."""

    samples: list[int]
    nearest: list[list[int]]
    distances: list[list[float]] = Field(min_length=1)
    real_distance: float = Field(ge=0)
    first: int = Field(ge=0)
    nearest_first: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _each_has_a_distance(self) -> "NeighbourRecord":
        if not all(self.distances):
            raise ValueError("distances: a sample has none")
        return self
