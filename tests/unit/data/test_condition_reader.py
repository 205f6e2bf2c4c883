"""What is not there to be read is told in a sentence that names the folder and what to do."""

import re

import numpy as np
import pytest
from PIL import Image

from ganflow.data.conditions.caption import Caption
from ganflow.data.conditions.edges import Edges
from ganflow.data.interfaces import Sample
from ganflow.data.reader import Shards
from ganflow.data.shards import BLOCK
from ganflow.data.sources.rendered import RenderedScene
from ganflow.data.writing import write_shards
from ganflow.errors import UserError

BEDROOM = RenderedScene("ganflow.data.scenes.bedrooms", 0, 0)


@pytest.fixture
def folder(tmp_path):
    """Shards of one image with its edges and a caption."""
    image = Image.new("RGB", (8, 8))
    write_shards(
        [Sample("00000000", image.copy, None)],
        tmp_path,
        dataset="toys",
        split="train",
        shape=(8, 8, 3),
        shard_size=1,
        classes=(),
        conditions={"edges": Edges(), "caption": Caption()},
        scene=lambda key: BEDROOM,
    )
    return tmp_path


ONE = np.zeros(1, np.int64)


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda shards: shards.attributes(ONE), "the samples have no attributes; choose a dataset with the condition"),
        (lambda shards: shards.images("greyscale", ONE), "the samples are not accompanied by the image 'greyscale'"),
        (lambda shards: shards.images("caption", ONE), "the samples are not accompanied by the image 'caption'"),
        (lambda shards: shards.texts("edges", ONE), "the samples are not accompanied by the text 'edges'"),
        (lambda shards: shards.selected({"time": "day"}), "nothing is known of the time of its samples"),
        (lambda shards: shards.selected({"class": "cat"}), "nothing is known of the class of its samples"),
    ],
)
def test_what_is_not_there(folder, read, said):
    with pytest.raises(UserError, match=f"^{re.escape(str(folder))}: {re.escape(said)}[^\n]*$"):
        read(Shards(folder))


def test_a_caption_that_is_no_text(folder):
    assert Shards(folder).texts("caption", ONE) == [BEDROOM.caption]
    [path] = folder.glob("*.tar")
    content = bytearray(path.read_bytes())
    start = content.index(BEDROOM.caption.encode())
    assert start % BLOCK == 0
    content[start] = 0xFF
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"^{re.escape(str(path))}: sample 0: its caption is no UTF-8; run [^\n]*$"):
        Shards(folder).texts("caption", ONE)
