"""What a translation between two domains should make of a rendered image: the same scene with the other attribute."""

from typing import ClassVar

import numpy as np
from pydantic import Field, model_validator

from ganflow.data.interfaces import Condition, Given


class Counterpart(Condition):
    """The scene rendered again, with the second value of an attribute in place of the first and the other way round; a
    scene with neither stays as it is."""

    about: ClassVar = "the same scene with another attribute"
    needs_scene: ClassVar = True
    attribute: str = Field(description="such as `time`", examples=["colour"])
    values: tuple[str, str] = Field(
        strict=False, description="two of its values, such as [day, night]", examples=[["red", "blue"]]
    )

    @model_validator(mode="after")
    def _different(self) -> "Counterpart":
        if self.values[0] == self.values[1]:
            raise ValueError(f"values = {list(self.values)}: are equal; name two different ones")
        return self

    def shape(self, side: int) -> tuple[int, int, int]:
        return (side, side, 3)

    def refusal(self, attributes: dict[str, tuple[str, ...]], side: int) -> str | None:
        if self.attribute not in attributes:
            return f"attribute = {self.attribute!r}: the scenes have {', '.join(attributes)}"
        known = attributes[self.attribute]
        if unknown := [value for value in self.values if value not in known]:
            return f"values: {self.attribute} is one of {', '.join(known)}, not {unknown[0]!r}"
        return None

    def made(self, given: Given) -> np.ndarray:
        first, second = self.values
        other = {first: second, second: first}.get(given.scene.attributes[self.attribute])
        return given.fitted(given.scene.picture({self.attribute: other})) if other else given.image
