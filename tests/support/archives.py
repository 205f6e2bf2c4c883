"""What the tests of archives share: random pictures, a scratch folder, and a check of how an archive is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganflow import artifacts
from ganflow.data.interfaces import Sample
from ganflow.errors import UserError

DATA = Path(__file__).parents[3] / "shared" / "data"
CLASSES = tuple(["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"])
RNG = np.random.default_rng(0)
real_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real images are not at {DATA}")


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "SCRATCH", tmp_path / "scratch")
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(0))


def pixels(height=32, width=32):
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def samples(arrays, labels=None):
    return [
        Sample(str(index), Image.fromarray(array).copy, labels and labels[index]) for index, array in enumerate(arrays)
    ]


def refused(form, folder, *words, split="train"):
    with pytest.raises(UserError) as caught:
        for sample in form.samples(folder, split):
            assert sample.image.mode == "RGB"
    for word in words:
        assert str(word) in str(caught.value)
    assert "\n" not in str(caught.value)
