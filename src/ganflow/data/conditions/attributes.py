"""The attributes of a rendered scene, such as the colour of the bed."""

from typing import ClassVar

from ganflow.data.interfaces import Condition, Given


class Attributes(Condition):
    """{attribute: value}, of those that index.json lists."""

    about: ClassVar = "the attributes by name"
    kind: ClassVar = "attributes"
    needs_scene: ClassVar = True

    def made(self, given: Given) -> dict[str, str]:
        return given.scene.attributes
