"""Writing: images in memory with labels to shards on one core, including digests and index."""

import io
import shutil
import tarfile
from pathlib import Path

import numpy as np
import webdataset
from measuring import arguments, cifar, interleaved, machine, show, workplace

from ganflow.data.interfaces import Sample
from ganflow.data.writing import write_shards

SHARD = 10_000  # images
SLOW = 4_000  # images per round of the slower contenders


def sharded(samples: list[Sample], folder: Path, encoding: str):
    """ganflow's writer."""
    about = {"dataset": "cifar10", "split": "train", "shape": (32, 32, 3), "shard_size": SHARD}
    classes = tuple(map(str, range(10)))

    def run() -> int:
        shutil.rmtree(folder, ignore_errors=True)
        write_shards(samples, folder, classes=classes, encoding=encoding, **about)
        return len(samples)

    return run


def shard_writer(samples: list[Sample], folder: Path, extension: str):
    """webdataset's writer with its own encoders."""

    def run() -> int:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        with webdataset.ShardWriter(str(folder / "%06d.tar"), maxcount=SHARD, verbose=0) as writer:
            for sample in samples:
                image = sample.content() if extension == "npy" else sample.image
                writer.write({"__key__": sample.key, extension: image, "cls": sample.label})
        return len(samples)

    return run


def tar_file(samples: list[Sample], path: Path):
    """tarfile of the standard library, npy and cls."""

    def run() -> int:
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
            for sample in samples:
                stored = io.BytesIO()
                np.save(stored, sample.content())
                for name, content in (("cls", str(sample.label).encode()), ("npy", stored.getvalue())):
                    member = tarfile.TarInfo(f"{sample.key}.{name}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
        return len(samples)

    return run


def main() -> None:
    options = arguments(__doc__)
    with workplace() as folder:
        form, what = cifar(folder, options.images)
        samples = list(form.samples(folder, "train"))
        few = samples[:SLOW]
        rates = interleaved(
            {
                "webdataset.ShardWriter, npy": shard_writer(few, folder / "npy", "npy"),
                "webdataset.ShardWriter, PNG": shard_writer(few, folder / "png", "png"),
                "tarfile, npy": tar_file(few, folder / "tarfile.tar"),
                "ours, webp": sharded(few, folder / "webp", "webp"),
                "ours, raw": sharded(samples, folder / "raw", "raw"),
            },
            options.rounds,
        )
        show(f"Writing {options.images:,} images, {what}, 32 px", rates, "webdataset.ShardWriter, npy")
        machine()


if __name__ == "__main__":
    main()
