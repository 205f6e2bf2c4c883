"""Archives of LSUN's layout, whole or with what a test puts into them."""

import io
import zipfile

import lmdb
import numpy as np
from PIL import Image

from ganflow.data.formats import lsun_bedroom

GOOD = (f"{lsun_bedroom.ARCHIVES['train'].name.removesuffix('.zip')}/data.mdb", b"x")


def encoded(image, form="PNG", **options):
    """The bytes of a picture as a file."""
    packed = io.BytesIO()
    image.save(packed, form, **options)
    return packed.getvalue()


def gradient(mode="L"):
    """All 256 levels, 16 x 16."""
    return Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).convert(mode)


def data_mdb(folder, entries):
    """The bytes of a database of these {key: value}, which stays in the folder."""
    folder.mkdir(exist_ok=True)
    with lmdb.open(str(folder), map_size=1 << 26, lock=False) as environment, environment.begin(write=True) as change:
        for key, value in entries.items():
            change.put(key, value)
    return (folder / "data.mdb").read_bytes()


def lsun(folder, content, name="bedroom_train_lmdb", compression=zipfile.ZIP_DEFLATED):
    """The training zip, of one data.mdb or of (name or ZipInfo, content) entries."""
    entries = content if isinstance(content, list) else [(f"{name}/", b""), (f"{name}/data.mdb", content)]
    with zipfile.ZipFile(folder / f"{name}.zip", "w", compression) as archive:
        for member, value in entries:
            archive.writestr(member, value)
    return folder


def one(folder, value, key=b"0" * 40):
    """The training zip of one photograph."""
    return lsun(folder, data_mdb(folder / "made", {key: value}))
