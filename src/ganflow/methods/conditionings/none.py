"""No classes: generator and critic see images alone."""

from typing import ClassVar

from ganflow.methods.components import Conditioning


class Unconditional(Conditioning):
    """Labels, where there are any, are not read."""

    effect: ClassVar = "nowhere"

    uses_labels: ClassVar = False
