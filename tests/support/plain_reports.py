"""Reports without figures."""

import io
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from PIL import Image

from ganflow.reporting import figures, points, study_figures


@contextmanager
def undrawn() -> Iterator[None]:
    """An empty picture for each figure: for tests of a report's words and numbers, in a tenth of the time."""
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    with pytest.MonkeyPatch.context() as patch:
        for module in (figures, points, study_figures):
            patch.setattr(module, "as_png", lambda figure: picture.getvalue())
        yield
