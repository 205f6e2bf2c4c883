"""Reading: shuffled batches of 64 images as float tensors in [-1, 1], from a warm page cache on one core."""

import io
from pathlib import Path

import lmdb
import numpy as np
import torch
import webdataset
from measuring import arguments, cifar, interleaved, machine, show, workplace
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from ganflow.data.interfaces import Format
from ganflow.data.reader import Shards
from ganflow.data.writing import write_shards
from ganflow.training.batches import Gathered
from ganflow.training.pixels import from_stored

BATCH = 64
SHARD = 10_000  # images
SLOW = 2_000  # images per round of the contenders that decode each image separately
SHUFFLE = 1_000  # webdataset's buffer


def to_float(image: np.ndarray) -> torch.Tensor:
    """uint8 (H, W, 3) to float (3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.array(image)).float().div_(127.5).sub_(1).permute(2, 0, 1)


def png(image: Image.Image) -> bytes:
    packed = io.BytesIO()
    image.save(packed, "PNG")
    return packed.getvalue()


class Folder(Dataset):
    """One PNG file per image, one folder per class."""

    def __init__(self, folder: Path):
        self.files = sorted(folder.rglob("*.png"))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        with Image.open(self.files[index]) as image:
            return to_float(np.asarray(image.convert("RGB"))), int(self.files[index].parent.name)


class Lmdb(Dataset):
    """Images in an LMDB, as PNG or as bytes."""

    def __init__(self, path: Path, packed: bool, side: int):
        self.environment = lmdb.open(str(path), readonly=True, lock=False, readahead=False)
        self.packed, self.side = packed, side
        with self.environment.begin() as transaction:
            self.count = transaction.stat()["entries"]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> torch.Tensor:
        with self.environment.begin() as transaction:
            value = transaction.get(b"%08d" % index)
        if self.packed:
            return to_float(np.asarray(Image.open(io.BytesIO(value))))
        return to_float(np.frombuffer(value, np.uint8).reshape(self.side, self.side, 3))


def write_all(form: Format, raw: Path, folder: Path) -> None:
    """Writes the same images as our shards, webdataset's shards, LMDBs and an image folder."""
    about = {"dataset": "cifar10", "split": "train", "shape": (32, 32, 3), "shard_size": SHARD}
    write_shards(form.samples(raw, "train"), folder / "raw", classes=form.classes(raw), **about)
    write_shards(form.samples(raw, "train"), folder / "webp", classes=form.classes(raw), **about, encoding="webp")
    (folder / "wds").mkdir()
    options = {"map_size": 1 << 32}
    with (
        webdataset.ShardWriter(str(folder / "wds" / "%06d.tar"), maxcount=SHARD, verbose=0) as writer,
        lmdb.open(str(folder / "lmdb-png"), **options) as packed,
        lmdb.open(str(folder / "lmdb-raw"), **options) as plain,
        packed.begin(write=True) as put_packed,
        plain.begin(write=True) as put_plain,
    ):
        for index, sample in enumerate(form.samples(raw, "train")):
            encoded, key = png(sample.image), b"%08d" % index
            writer.write({"__key__": sample.key, "png": encoded, "cls": sample.label})
            put_packed.put(key, encoded)
            put_plain.put(key, np.asarray(sample.image).tobytes())
            if index < SLOW:
                file = folder / "folder" / f"{sample.label}" / f"{sample.key}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(encoded)


def ours(shards: Shards, images: int, as_float: bool = True):
    """Batches in the order of the training."""
    batches, position = Gathered(shards, 0, BATCH), 0

    def run() -> int:
        nonlocal position
        for _ in range(images // BATCH):
            batch = batches.at(position)
            if as_float:
                from_stored(batch)
            position += 1
        return images // BATCH * BATCH

    return run


def loader(dataset: Dataset, images: int):
    """The first batches of a shuffled epoch of torch's DataLoader, in this process."""
    batches = DataLoader(dataset, BATCH, shuffle=True)

    def run() -> int:
        count = 0
        for batch in batches:
            count += len(batch[0] if isinstance(batch, list) else batch)
            if count >= images:
                break
        return count

    return run


def streamed(folder: Path, images: int, extension: str):
    """webdataset's pipeline: shuffle, decode, tuples, batches."""
    urls = [str(path) for path in sorted(folder.glob("*.tar"))]
    decode = ("pil",) if extension == "png" else ()

    def run() -> int:
        stream = webdataset.WebDataset(urls, shardshuffle=len(urls)).shuffle(SHUFFLE).decode(*decode)
        stream = stream.to_tuple(extension, "cls").map_tuple(to_float, int).batched(BATCH)
        count = 0
        for batch, _ in stream:
            count += len(batch)
            if count >= images:
                break
        return count

    return run


def main() -> None:
    options = arguments(__doc__)
    with workplace() as folder:
        form, what = cifar(folder, options.images)
        write_all(form, folder, folder)
        raw, packed = Shards(folder / "raw"), Shards(folder / "webp")
        slow = min(SLOW, options.images)
        rates = interleaved(
            {
                "webdataset, PNG, its default pipeline": streamed(folder / "wds", slow, "png"),
                "webdataset, our raw shards": streamed(folder / "raw", slow, "npy"),
                "image folder, PNG, DataLoader": loader(Folder(folder / "folder"), slow),
                "LMDB, PNG, DataLoader": loader(Lmdb(folder / "lmdb-png", True, 32), slow),
                "LMDB, raw bytes, DataLoader": loader(Lmdb(folder / "lmdb-raw", False, 32), slow),
                "ours, webp": ours(packed, slow),
                "ours, raw": ours(raw, options.images),
                "ours, raw, as uint8": ours(raw, options.images, as_float=False),
            },
            options.rounds,
        )
        title = f"Reading {options.images:,} images, {what}, 32 px: shuffled float batches of {BATCH}"
        show(title, rates, "webdataset, PNG, its default pipeline")
        machine()


if __name__ == "__main__":
    main()
