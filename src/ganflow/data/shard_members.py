"""Is every member of a shard what its layout says? An index can be true of a shard that was forged.

Headers and labels of thousands of samples are compared at once; pixels are not read.
"""

from pathlib import Path

import numpy as np

from ganflow.artifacts import cure
from ganflow.data.shards import BLOCK, Layout, shard_bytes, tar_header
from ganflow.errors import UserError

AT_ONCE = 2048  # samples
KEY, SIZE, CHECKSUM = slice(0, 8), slice(124, 135), slice(148, 154)  # digits in a tar header
FIXED = slice(8, 124), slice(135, 148), slice(154, BLOCK)  # all else in it
ZERO = ord("0")


def check_members(path: Path, mapped: memoryview, layout: Layout, starts: np.ndarray, classes: int, last: int) -> int:
    """Checks all members of a shard whose samples start at `starts`, (n,); their keys ascend from beyond `last`.

    Returns the last key. Raises UserError for the first sample that is not as the layout says.
    """
    blocks = np.frombuffer(mapped, np.uint8)[: len(mapped) // BLOCK * BLOCK].reshape(-1, BLOCK)
    end = int(starts[-1])
    if len(mapped) < layout.content + BLOCK:
        raise UserError(f"{path}: has {len(mapped)} bytes, less than a sample of its layout; {cure(path)}")
    for first in range(0, len(starts), AT_ONCE):
        here = starts[first : first + AT_ONCE]
        following = starts[first + 1 : first + AT_ONCE + 1]
        good = (here % BLOCK == 0) & (here >= 0) & (here + layout.content + BLOCK <= len(mapped))
        rows = np.where(good, here, 0) // BLOCK
        keys, sizes, of_layout = _headers(blocks[rows + layout.header // BLOCK], layout.extension)
        ends = here + layout.content + -(-sizes // BLOCK) * BLOCK
        good &= of_layout & (np.diff(keys, prepend=last) > 0) & (ends <= len(mapped))
        good[: len(following)] &= ends[: len(following)] == following
        if layout.stride:
            content = blocks[rows + layout.content // BLOCK, : len(layout.npy_header)]
            good &= (sizes == layout.npy_bytes) & (content == np.frombuffer(layout.npy_header, np.uint8)).all(1)
        _refuse(
            path, first, good, f"a .{layout.extension} of {layout.dtype} {layout.shape} after the samples before it"
        )
        for member, header in zip(layout.conditions, layout.condition_headers, strict=True):
            member_keys, lengths, named = _headers(blocks[rows + header // BLOCK], member.extension)
            least = 1 if member.shape is None else member.largest
            good &= named & (member_keys == keys) & (least <= lengths) & (lengths <= member.largest)
            _refuse(path, first, good, f"accompanied by a .{member.extension} of its size before its image")
        if layout.labelled:
            label_keys, widths, of_label = _headers(blocks[rows], "cls")
            good &= of_label & (label_keys == keys) & _are_labels(blocks[rows + layout.label // BLOCK], widths, classes)
            _refuse(path, first, good, f"labelled by a .cls of a number in 0..{classes - 1} before its image")
        last, end = int(keys[-1]), int(ends[-1])
    if len(mapped) != shard_bytes(end) or any(mapped[end:]):
        raise UserError(f"{path}: does not end after its last sample, at byte {end}; {cure(path)}")
    return last


def _refuse(path: Path, first: int, good: np.ndarray, what: str) -> None:
    if not good.all():
        raise UserError(f"{path}: its sample {first + int(good.argmin())} is not {what}; {cure(path)}")


def _headers(rows: np.ndarray, extension: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keys and sizes in tar headers, (n, 512), and whether each header is the one that is written for them."""
    template = np.frombuffer(tar_header(f"{0:08d}.{extension}", 0), np.uint8)
    keys, sizes, sums = (rows[:, part].astype(np.int64) - ZERO for part in (KEY, SIZE, CHECKSUM))
    good = ((keys >= 0) & (keys < 10)).all(1) & ((sizes >= 0) & (sizes < 8)).all(1)
    checksum = int(template[CHECKSUM].tobytes(), 8) + keys.sum(1) + sizes.sum(1)
    good &= sums @ (8 ** np.arange(5, -1, -1)) == checksum
    for part in FIXED:
        good &= (rows[:, part] == template[part]).all(1)
    return keys @ (10 ** np.arange(7, -1, -1)), sizes @ (8 ** np.arange(10, -1, -1)), good


def _are_labels(rows: np.ndarray, widths: np.ndarray, classes: int) -> np.ndarray:
    """Whether blocks, (n, 512), hold a label in as many digits, and nothing else."""
    digits = np.ascontiguousarray(rows[:, :8]).view("S8").ravel()
    found, which = np.unique(digits, return_inverse=True)
    known = {str(label).encode(): len(str(label)) for label in range(classes)}
    expected = np.array([known.get(value, 0) for value in found.tolist()])[which]
    return (expected == widths) & (expected > 0) & ~rows[:, 8:].any(1)
