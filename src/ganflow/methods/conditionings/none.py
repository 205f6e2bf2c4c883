"""No conditioning: generator and critic get images only."""

from typing import ClassVar

from ganflow.methods.components import Conditioning


class Unconditional(Conditioning):
    """Labels are not read."""

    effect: ClassVar = "not used"

    uses_labels: ClassVar = False
