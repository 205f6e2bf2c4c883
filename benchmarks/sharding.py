"""Sharding photographs: from the images of LSUN's archive to shards on one core, compared with decoding alone."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from measuring import arguments, bedrooms, interleaved, machine, show, workplace
from PIL import Image

from ganflow.data.decoding import FILTERS, center_crop_resize
from ganflow.data.lmdb_file import Entry
from ganflow.data.writing import write_shards

RESOLUTION = 64  # pixels


def encoded(data: Path, entry: Entry) -> bytes:
    """An encoded image of data.mdb."""
    with data.open("rb") as file:
        file.seek(entry.offset)
        return file.read(entry.size)


def opened(value: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(value))
    image.load()
    return image


def decoding(values: list[bytes], then: Callable[[Image.Image], object] = id):
    """Pillow's decoder, followed by a function."""

    def run() -> int:
        for value in values:
            then(opened(value))
        return len(values)

    return run


def fidelity(values: list[bytes]) -> None:
    """Prints the fidelity of each filter to full LANCZOS: PSNR of each image, and the largest error."""
    print(
        "\n| filter | PSNR to full LANCZOS: mean | worst image | largest error of 255 |\n| --- | ---: | ---: | ---: |"
    )
    images = [opened(value).convert("RGB") for value in values]
    exact = np.stack([center_crop_resize(image, RESOLUTION) for image in images]).astype(float)
    for name in FILTERS:
        error = np.stack([center_crop_resize(image, RESOLUTION, name) for image in images]) - exact
        if not error.any():
            print(f"| {name} | equal | equal | 0 |")
            continue
        psnr = 10 * np.log10(255**2 / (error**2).mean((1, 2, 3)))
        print(f"| {name} | {psnr.mean():.1f} dB | {psnr.min():.1f} dB | {abs(error).max():.0f} |")


def main() -> None:
    options = arguments(__doc__)
    with workplace() as folder:
        form, what = bedrooms(folder, min(options.images, 300))
        samples = list(form.samples(folder, "train"))[: options.images]
        values = [encoded(*sample.content.args) for sample in samples]

        def sharded(resize: str, side: int = RESOLUTION, encoding: str = "raw"):
            def run() -> int:
                shutil.rmtree(folder / "shards", ignore_errors=True)
                about = {"dataset": "bedrooms", "split": "train", "shape": (side, side, 3), "encoding": encoding}
                write_shards(samples, folder / "shards", shard_size=1000, classes=(), resize=resize, **about)
                return len(samples)

            return run

        floors = {
            "decoding alone": decoding(values),
            "decoding and full LANCZOS": decoding(values, lambda image: center_crop_resize(image, RESOLUTION)),
        }
        ours = {f"ours, {resize}": sharded(resize) for resize in FILTERS}
        ours |= {
            "ours, lanczos, webp": sharded("lanczos", encoding="webp"),
            "ours, 256 px": sharded("lanczos", 256),
            "ours, 256 px, webp": sharded("lanczos", 256, "webp"),
        }
        rates = interleaved(floors | ours, options.rounds)
        show(f"Sharding {len(values):,} images, {what}, to {RESOLUTION} px and to 256", rates, "decoding alone")
        fidelity(values)
        form.discard(folder)
        machine()


if __name__ == "__main__":
    main()
