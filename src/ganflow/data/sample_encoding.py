"""Samples as tar members, in their order: worker processes decode, crop and encode.

Memory holds a few chunks, however many samples there are.
"""

import itertools
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context, parent_process
from threading import Thread

import numpy as np
from PIL import Image

from ganflow.config import Resize
from ganflow.data.decoding import center_crop_resize
from ganflow.data.interfaces import Condition, CorruptImage, Given, Sample, Scene
from ganflow.data.shards import Layout

CHUNK = 64  # samples per task of a worker process

Encode = Callable[[Sample], bytes | CorruptImage]


def tar_members(
    layout: Layout,
    resize: Resize,
    conditions: Sequence[Condition],
    scene: Callable[[str], Scene | None] | None,
    sample: Sample,
) -> bytes | CorruptImage:
    """The tar members of a sample: an image cropped and resized to the layout's shape, or a point of that shape, after
    its conditions; `scene` returns the scene of a sample by its key."""
    try:
        made = sample.content()
    except CorruptImage as corrupt:
        return corrupt
    if layout.dtype == "uint8" and (isinstance(made, Image.Image) or made.shape != layout.shape):
        image = made if isinstance(made, Image.Image) else Image.fromarray(np.ascontiguousarray(made))
        made = center_crop_resize(image, layout.shape[0], resize)
    values = np.asarray(made)
    if values.shape != layout.shape or values.dtype != layout.dtype:
        raise ValueError(f"a sample of {values.dtype} {values.shape}, expected {layout.dtype} {layout.shape}")
    accompanied: tuple[bytes, ...] = ()
    if conditions:
        fitted = partial(center_crop_resize, resolution=layout.shape[0], resize=resize)
        given = Given(values, fitted, scene(sample.key) if scene else None)
        accompanied = tuple(
            member.encoded(condition.made(given))
            for member, condition in zip(layout.conditions, conditions, strict=True)
        )
    return layout.sample(sample.key, values, sample.label, accompanied)


def encoded(
    samples: Iterable[Sample], encode: Encode, processes: int
) -> Generator[tuple[Sample, bytes | CorruptImage], None, None]:
    """Each sample with its encoded tar members, in order; uses worker processes if `processes` > 1."""
    if processes == 1:
        yield from ((sample, encode(sample)) for sample in samples)
        return
    stream = iter(samples)
    waiting: deque[tuple[list[Sample], Future[list[bytes | CorruptImage]]]] = deque()
    with ProcessPoolExecutor(processes, get_context("spawn"), _exit_with_parent) as pool:
        while chunk := list(itertools.islice(stream, CHUNK)):
            waiting.append((chunk, pool.submit(_encode_chunk, encode, chunk)))
            if len(waiting) > 2 * processes:
                yield from _in_order(*waiting.popleft())
        while waiting:
            yield from _in_order(*waiting.popleft())


def _in_order(
    chunk: list[Sample], encoded: Future[list[bytes | CorruptImage]]
) -> Iterator[tuple[Sample, bytes | CorruptImage]]:
    return zip(chunk, encoded.result(), strict=True)


def _exit_with_parent() -> None:
    """Exits when the parent is killed; else the worker waits forever on a queue of which it holds both ends."""
    parent = parent_process()
    assert parent is not None, "this is a worker process"

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _encode_chunk(encode: Encode, chunk: list[Sample]) -> list[bytes | CorruptImage]:
    return [encode(sample) for sample in chunk]
