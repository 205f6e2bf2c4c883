"""No classes: generator and critic see images alone."""

from typing import ClassVar

from ganflow.methods.interfaces import Conditioning


class Unconditional(Conditioning):
    """Labels, where there are any, are not read."""

    uses_labels: ClassVar = False
