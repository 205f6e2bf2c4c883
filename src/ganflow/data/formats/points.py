"""Points, one .npy file per split: records of `point`, float32 (d,), and `mode`, the mixture component, int32.

Files are memory-mapped without pickle, and the header is checked first.
"""

import io
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from ganflow.artifacts import write_file
from ganflow.data import SPLITS
from ganflow.data.faults import BadArchive, of_environment, reason_of
from ganflow.data.interfaces import Archive, Format, Sample
from ganflow.errors import UserError

MAX_MODES = 1000


class Points(Format):
    """Points of equal dimension; the classes are the modes (`mode 0`, ...) if there are at least two."""

    archives: ClassVar[tuple[Archive, ...]] = tuple(Archive(f"{split}.npy", (), 0, "") for split in SPLITS)
    images: ClassVar[dict[str, int]] = dict.fromkeys(SPLITS, 0)  # no official archives
    labelled: ClassVar[bool] = True
    points: ClassVar[bool] = True

    def classes(self, folder: Path) -> tuple[str, ...]:
        most = max(int(_records(folder, split)["mode"].max()) for split in SPLITS)
        return tuple(f"mode {mode}" for mode in range(most + 1)) if most else ()

    def samples(self, folder: Path, split: str) -> Iterator[Sample]:
        records = _records(folder, split)
        for index, (point, mode) in enumerate(zip(np.array(records["point"]), records["mode"], strict=True)):
            yield Sample(f"{index:08d}", partial(np.asarray, point), int(mode))

    def check(self, path: Path) -> str:
        """Reads all records."""
        return f"{len(_records(path.parent, path.stem))} points"

    def write(self, folder: Path, split_samples: Callable[[str], Iterable[Sample]], classes: tuple[str, ...]) -> None:
        for split in SPLITS:
            rows = [(np.asarray(sample.content()), sample.label) for sample in split_samples(split)]
            records = np.array(rows, [("point", "<f4", rows[0][0].shape), ("mode", "<i4")])
            file = io.BytesIO()
            np.save(file, records, allow_pickle=False)
            write_file(folder / f"{split}.npy", file.getvalue())


def _records(folder: Path, split: str) -> np.ndarray:
    """The records of a split, (n,), n >= 1, finite, modes >= 0; raises BadArchive for an invalid file."""
    path = folder / f"{split}.npy"
    try:
        records = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro` to make it") from None
    except (ValueError, EOFError, OSError) as error:
        if of_environment(error):
            raise
        raise BadArchive(path, f"not an .npy of numbers ({reason_of(error)})") from None
    names = getattr(records.dtype, "names", None)
    point = records.dtype["point"] if names == ("point", "mode") else None
    if point is None or point.base != "<f4" or point.ndim != 1 or records.dtype["mode"] != "<i4" or records.ndim != 1:
        expected = "(n,) records of a `point`, float32 (d,), and its `mode`, int32"
        raise BadArchive(path, f"holds {records.dtype} {records.shape}, expected {expected}")
    if not len(records):
        raise BadArchive(path, "holds no point, expected at least one")
    if not np.isfinite(records["point"]).all():
        raise BadArchive(path, "holds a coordinate that is not finite")
    if not 0 <= records["mode"].min() <= records["mode"].max() < MAX_MODES:
        raise BadArchive(path, f"holds a mode that is not in 0..{MAX_MODES - 1}")
    return records
