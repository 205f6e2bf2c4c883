"""A caption in English, made from the attributes of a rendered scene."""

from typing import ClassVar

from ganflow.data.interfaces import Condition, Given


class Caption(Condition):
    """The sentence that the scene's module makes of its attributes."""

    about: ClassVar = "a caption, made from the attributes"
    kind: ClassVar = "text"
    needs_scene: ClassVar = True

    def made(self, given: Given) -> str:
        return given.scene.caption
