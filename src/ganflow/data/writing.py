"""Writes shards, in one process; the bytes depend on the samples alone.

Finished shards can be kept in a scratch folder with one record each, from which a killed writer resumes after the last
shard that still has its digest.
"""

import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
from pydantic import Field, ValidationError

from ganflow import artifacts
from ganflow.config import Encoding, Model, Resize
from ganflow.data.corrupt import Skipped, SkippedImages
from ganflow.data.decoding import LARGEST_IN_MEMORY
from ganflow.data.interfaces import Condition, Sample, Scene
from ganflow.data.sample_encoding import CHUNK, encoded, tar_members
from ganflow.data.shards import INDEX, MAX_SAMPLES, OFFSETS, Index, Layout, Member, Shard, shard_bytes, shard_name
from ganflow.errors import UserError
from ganflow.progress import Progress, log

COMPLETE = "complete.json"


class ShardRecord(Model):
    """State after a finished shard, to resume from; `seen` and `skipped` count all samples up to its last."""

    shard: Shard
    offsets: tuple[int, ...] = Field(strict=False)
    seen: int = Field(ge=0, le=MAX_SAMPLES)
    skipped: tuple[Skipped, ...] = Field(strict=False)


class Complete(Model):
    """State at the end: the number of shards, and the images that were skipped."""

    shards: int
    skipped: tuple[Skipped, ...] = Field(strict=False)


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
    conditions: Mapping[str, Condition] = MappingProxyType({}),
    attributes: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    scene: Callable[[str], Scene | None] | None = None,
    resize: Resize = "lanczos",
    processes: int = 1,
    max_corrupt: float = 0.0,
    resume_folder: Path | None = None,
    total: int | None = None,
) -> list[Skipped]:
    """Writes shards of `shard_size` samples (the last may hold fewer) and index.json; labelled if there are classes.

    `shape` is (side, side, 3) for images, cropped and resized to it, and (d,) for points. `conditions` accompany each
    image; `attributes` are those of the scenes that rendered images show, and `scene` returns the scene of a sample by
    its key. Images that can't be used are skipped, and returned in sample order; at most the share `max_corrupt`,
    rounded up, may be skipped. `resume_folder` keeps finished shards for a restart with equal arguments. `total`:
    expected number of samples, for progress. Raises UserError if too many images are skipped or if there is no sample.
    """
    folder.mkdir(parents=True, exist_ok=True)
    members = tuple(
        Member(name=name, kind=kind.kind, shape=kind.shape(shape[0]) if kind.kind == "image" else None)
        for name, kind in conditions.items()
    )
    layout = Layout(shape, "uint8" if len(shape) == 3 else "float32", bool(classes), encoding, members)
    work = resume_folder or folder
    shards: list[Shard] = []
    offsets: list[np.ndarray] = []  # start of each sample in its shard
    skipped = SkippedImages(f"{dataset} {split}", max_corrupt)
    for record in _records(resume_folder, partial(shard_name, dataset, split)) if resume_folder else ():
        shards.append(record.shard)
        offsets.append(np.array(record.offsets, "<i8"))
        skipped.seen, skipped.images = record.seen, list(record.skipped)
    complete = _complete(resume_folder, len(shards)) if resume_folder else None
    if complete is not None:
        skipped.images = complete
    else:
        rest = itertools.islice(samples, skipped.seen, None)
        progress = Progress(f"shard {dataset} {split}", total, "samples", skipped.seen)
        with (
            progress,
            _memory_told(dataset, processes),
            closing(
                encoded(rest, partial(tar_members, layout, resize, tuple(conditions.values()), scene), processes)
            ) as contents_of_each,
        ):
            usable = skipped.filter(contents_of_each)
            for first in usable:
                name = shard_name(dataset, split, len(shards))
                contents = itertools.chain([first], itertools.islice(usable, shard_size - 1))
                shard, starts = _write_shard(work / name, contents, layout, progress)
                if resume_folder:
                    record = ShardRecord(shard=shard, offsets=starts, seen=skipped.seen, skipped=tuple(skipped.images))
                    artifacts.write_sealed(_record_path(resume_folder, len(shards)), record.model_dump())
                shards.append(shard)
                offsets.append(np.array(starts, "<i8"))
        if resume_folder:
            artifacts.write_sealed(resume_folder / COMPLETE, {"shards": len(shards), "skipped": skipped.images})
    if not shards:
        raise UserError(f"{folder}: the split {split!r} of {dataset} holds no sample, expected at least one")
    if resume_folder:
        for shard in shards:
            _link(resume_folder / shard.name, folder / shard.name)
    index = Index(
        dataset=dataset,
        split=split,
        encoding=encoding,
        shape=layout.shape,
        dtype=layout.dtype,
        count=sum(shard.count for shard in shards),
        labelled=layout.labelled,
        classes=tuple(classes),
        conditions=members,
        attributes=dict(attributes) if any(member.kind == "attributes" for member in members) else {},
        offsets=None if layout.stride else _write_offsets(folder / OFFSETS, np.concatenate(offsets)),
        shards=tuple(shards),
    )
    artifacts.write_json(folder / INDEX, index.model_dump())
    return skipped.images


@contextmanager
def _memory_told(dataset: str, processes: int) -> Iterator[None]:
    """Makes a sentence of what a lack of memory does to the decoding processes."""
    cure = (
        f"decoding an image takes up to {LARGEST_IN_MEMORY >> 20} MiB in each of compute.threads = {processes} "
        "processes: free memory or lower it, and run it again, which goes on after the last finished shard"
    )
    try:
        yield
    except BrokenProcessPool:
        raise UserError(
            f"shard {dataset}: the system ended a process that decodes images, most likely for want of memory; {cure}"
        ) from None
    except MemoryError:
        raise UserError(f"shard {dataset}: out of memory; {cure}") from None


def _record_path(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.json"


def _records(folder: Path, name_of: Callable[[int], str]) -> Iterator[ShardRecord]:
    """The records of finished shards, in order, up to the first that is missing or, as is said, altered."""
    if not folder.is_dir():
        artifacts.remove(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for number in itertools.count():
        path, shard = _record_path(folder, number), folder / name_of(number)
        if not path.exists() and not path.is_symlink():
            if left := [later.name for later in sorted(folder.glob("[0-9]*.json")) if later > path]:
                log(f"{path}: is missing, and {left[0]} is there; sharding goes on from {shard.name}")
            return
        try:
            record = ShardRecord.model_validate(artifacts.read_sealed(path))
            fault = f"{path} is of another shard" if record.shard.name != shard.name else None
        except ValueError as error:
            fault = f"{path} {'holds no record' if isinstance(error, ValidationError) else error}"
        else:
            if fault is None and (wrong := _fault(shard, record.shard)):
                fault = f"{shard} {wrong}"
        if fault:
            log(f"{fault}; sharding goes on from {shard.name}")
            artifacts.remove(path)
            return
        yield record


def _fault(path: Path, shard: Shard) -> str | None:
    """What is wrong with a kept shard by its record; None if nothing is."""
    return (
        "is a link" if path.is_symlink() else artifacts.file_fault(path, {"bytes": shard.bytes, "sha256": shard.sha256})
    )


def _complete(folder: Path, shards: int) -> list[Skipped] | None:
    """The skipped images, if an earlier writer reached the end with this number of shards."""
    path = folder / COMPLETE
    if not path.exists() and not path.is_symlink():
        return None
    try:
        complete = Complete.model_validate(artifacts.read_sealed(path))
    except ValueError as error:
        log(f"{path} {'holds no record' if isinstance(error, ValidationError) else error}; the samples are read again")
        artifacts.remove(path)
        return None
    return list(complete.skipped) if complete.shards == shards else None


def _write_shard(
    path: Path, contents: Iterable[bytes], layout: Layout, progress: Progress
) -> tuple[Shard, tuple[int, ...]]:
    """Writes one shard; returns it and the offsets of its samples, empty if they are k * stride."""
    offsets, length, digest = [], 0, hashlib.sha256()
    artifacts.remove(path)  # never written into: it may be linked to a finished output, or be a link
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
    shard = Shard(
        name=path.name, count=count, bytes=length + len(end), sha256=digest.hexdigest(), first=0, stride=layout.stride
    )
    return shard, () if layout.stride else tuple(offsets)


def _write_offsets(path: Path, offsets: np.ndarray) -> str:
    """Writes offsets.npy: the offset of each sample in its shard, int64, shard by shard; returns its digest."""
    np.save(path, offsets, allow_pickle=False)
    return artifacts.digest_file(path)


def _link(source: Path, target: Path) -> None:
    """Hard-links a file, or copies it where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
