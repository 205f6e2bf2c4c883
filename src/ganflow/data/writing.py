"""Writes shards: processes share the decoding, one writes the bytes, which depend on nothing but the samples.

At most a few chunks are in memory, however many samples there are. Finished shards can be kept in a scratch folder with
a record each; a writer that was killed goes on after the last one whose bytes are still those of its digest.
"""

import hashlib
import itertools
import os
import shutil
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread

import numpy as np
from PIL import Image
from pydantic import Field

from ganflow import artifacts
from ganflow.config import Encoding, Model, Resize
from ganflow.data.corrupt import Left, SkippedImages
from ganflow.data.image_codec import center_crop_resize
from ganflow.data.interfaces import CorruptImage, Sample
from ganflow.data.shards import INDEX, OFFSETS, Index, Layout, Shard, shard_bytes, shard_name
from ganflow.errors import UserError
from ganflow.params_file import checked
from ganflow.progress import Progress

CHUNK = 64  # samples that a process takes at a time
ENDED = "ended.json"


class Record(Model):
    """What a resumed writer knows of a finished shard; `seen` and `skipped` are of all samples up to its last."""

    shard: Shard
    offsets: tuple[int, ...] = Field(strict=False)
    seen: int
    skipped: tuple[Left, ...] = Field(strict=False)


def write_shards(
    samples: Iterable[Sample],
    folder: Path,
    *,
    dataset: str,
    split: str,
    shape: tuple[int, ...],
    shard_size: int,
    classes: tuple[str, ...],
    encoding: Encoding = "raw",
    resize: Resize = "lanczos",
    processes: int = 1,
    max_corrupt: float = 0.0,
    kept: Path | None = None,
    total: int | None = None,
) -> list[Left]:
    """Writes shards of `shard_size` samples (the last may hold fewer) and index.json; labelled if there are classes.

    `shape` is (side, side, 3) for pictures, which are cut to it, and (d,) for points. Images that can't be used are
    left out, and returned in the order of the samples; at most the share `max_corrupt`, rounded up, may be so. In the
    folder `kept`, which only equal work may share, finished shards outlive a killed writer; `total` samples are
    expected, if that is known. Raises UserError if too many images are broken or if there is no sample.
    """
    folder.mkdir(parents=True, exist_ok=True)
    layout = Layout(shape, "uint8" if len(shape) == 3 else "float32", bool(classes), encoding)
    work = kept or folder
    shards: list[Shard] = []
    offsets: list[np.ndarray] = []  # where each sample of a shard begins
    skipped = SkippedImages(f"{dataset} {split}", max_corrupt)
    for record in _records(kept) if kept else ():
        shards.append(record.shard)
        offsets.append(np.array(record.offsets, "<i8"))
        skipped.seen, skipped.images = record.seen, list(record.skipped)
    ended = _ended(kept, len(shards)) if kept else None
    if ended is not None:
        skipped.images = ended
    else:
        rest = itertools.islice(samples, skipped.seen, None)
        encode = partial(_encode, layout, resize)
        progress = Progress(f"shard {dataset} {split}", total, "samples", skipped.seen)
        with progress, closing(_encoded(rest, encode, processes)) as encoded:
            usable = skipped.of(encoded)
            for first in usable:
                name = shard_name(dataset, split, len(shards))
                contents = itertools.chain([first], itertools.islice(usable, shard_size - 1))
                shard, starts = _write_shard(work / name, contents, layout, progress)
                if kept:
                    record = Record(shard=shard, offsets=starts, seen=skipped.seen, skipped=skipped.images)
                    artifacts.write_json(_record(kept, len(shards)), record.model_dump())
                shards.append(shard)
                offsets.append(np.array(starts, "<i8"))
        if kept:
            artifacts.write_json(kept / ENDED, {"shards": len(shards), "skipped": skipped.images})
    if not shards:
        raise UserError(f"{folder}: the split {split!r} of {dataset} holds no sample, expected at least one")
    for shard in shards if kept else ():
        _link(kept / shard.name, folder / shard.name)
    index = Index(
        dataset=dataset,
        split=split,
        encoding=encoding,
        shape=layout.shape,
        dtype=layout.dtype,
        count=sum(shard.count for shard in shards),
        labelled=layout.labelled,
        classes=tuple(classes),
        offsets=None if layout.stride else _write_offsets(folder / OFFSETS, np.concatenate(offsets)),
        shards=tuple(shards),
    )
    artifacts.write_json(folder / INDEX, index.model_dump())
    return skipped.images


def _record(kept: Path, number: int) -> Path:
    return kept / f"{number:06d}.json"


def _records(kept: Path) -> Iterator[Record]:
    """The records of the shards that are finished, from the first; a shard whose bytes changed ends them."""
    kept.mkdir(parents=True, exist_ok=True)
    for number in itertools.count():
        path = _record(kept, number)
        try:
            record = checked(Record, artifacts.read_json(path), file=str(path))
            if artifacts.digest_file(kept / record.shard.name) == record.shard.sha256:
                yield record
                continue
        except (UserError, OSError):
            pass
        return


def _ended(kept: Path, shards: int) -> list[Left] | None:
    """What was left out, if so many shards are all that a writer that came to the end had to write."""
    if not (kept / ENDED).exists():
        return None
    ended = artifacts.read_json(kept / ENDED)
    return ended["skipped"] if ended["shards"] == shards else None


def _encoded(
    samples: Iterable[Sample], encode: partial, processes: int
) -> Iterator[tuple[Sample, bytes | CorruptImage]]:
    """Each sample with its members, in order; `processes` > 1 share the work."""
    if processes == 1:
        yield from ((sample, encode(sample)) for sample in samples)
        return
    stream = iter(samples)
    waiting: deque[tuple[list[Sample], Future]] = deque()
    with ProcessPoolExecutor(processes, get_context("spawn"), _end_with_parent) as pool:
        while chunk := list(itertools.islice(stream, CHUNK)):
            waiting.append((chunk, pool.submit(_encode_chunk, encode, chunk)))
            if len(waiting) > 2 * processes:
                yield from _done(*waiting.popleft())
        while waiting:
            yield from _done(*waiting.popleft())


def _done(chunk: list[Sample], encoded: Future) -> Iterator[tuple[Sample, bytes | CorruptImage]]:
    return zip(chunk, encoded.result(), strict=True)


def _end_with_parent() -> None:
    """A worker of a killed parent would wait for ever, for it holds both ends of the queue that it waits for."""

    def watch() -> None:
        parent_process().join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _encode_chunk(encode: partial, chunk: list[Sample]) -> list[bytes | CorruptImage]:
    return [encode(sample) for sample in chunk]


def _encode(layout: Layout, resize: Resize, sample: Sample) -> bytes | CorruptImage:
    """The members of a sample: a picture cut to the layout's shape, or a point that has it already."""
    try:
        made = sample.content()
    except CorruptImage as broken:
        return broken
    if layout.dtype == "uint8":
        if isinstance(made, Image.Image) or made.shape != layout.shape:
            picture = made if isinstance(made, Image.Image) else Image.fromarray(np.ascontiguousarray(made))
            made = center_crop_resize(picture, layout.shape[0], resize)
    elif made.shape != layout.shape or made.dtype != np.float32:
        raise ValueError(f"a point of {made.dtype} {made.shape}, expected float32 {layout.shape}")
    return layout.sample(sample.key, made, sample.label)


def _write_shard(
    path: Path, contents: Iterable[bytes], layout: Layout, progress: Progress
) -> tuple[Shard, tuple[int, ...]]:
    """Writes one shard; returns also where its samples begin, if that is not k * stride."""
    offsets, length, digest = [], 0, hashlib.sha256()
    with path.open("wb", artifacts.BLOCK) as file:
        for count, content in enumerate(contents, 1):
            offsets.append(length)
            length += len(content)
            file.write(content)
            digest.update(content)
            if count % CHUNK == 0:
                progress.advance(CHUNK)
        progress.advance(count % CHUNK)
        end = bytes(shard_bytes(length) - length)
        file.write(end)
        digest.update(end)
    about = {"name": path.name, "count": count, "bytes": length + len(end), "sha256": digest.hexdigest()}
    return Shard(**about, first=0, stride=layout.stride), () if layout.stride else tuple(offsets)


def _write_offsets(path: Path, offsets: np.ndarray) -> str:
    """offsets.npy: where each sample begins in its shard, int64, shard after shard; returns its digest."""
    np.save(path, offsets, allow_pickle=False)
    return artifacts.digest_file(path)


def _link(source: Path, target: Path) -> None:
    """The same file under a second name, or a copy where there are no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
