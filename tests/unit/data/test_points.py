"""Points: one contract for every distribution, files that hold what they should and nothing else, and both sources."""

import re

import numpy as np
import pytest

from ganflow.components import component_class
from ganflow.config import Choice
from ganflow.data import SPLITS
from ganflow.data.formats.points import Points
from ganflow.data.interfaces import Distribution
from ganflow.data.reader import Shards
from ganflow.data.sources.sampled import Sampled
from ganflow.data.writing import write_shards
from ganflow.errors import UserError
from ganflow.randomness import generator

DEVIATIONS = {"eight_gaussians": 0.02 / 2**0.5, "twenty_five_gaussians": 0.05 / 8**0.5, "mixture_1d": 0.2}
DEVIATIONS |= {"mixture_2d": 0.1, "gaussian": 1.0}


@pytest.mark.parametrize("name", DEVIATIONS)
def test_modes_are_equally_probable_and_as_wide_as_they_say(name):
    one = component_class(Distribution, name, "where")()
    points, modes = one.sample(20_000, generator(0, "points"))
    centres = np.stack([points[modes == mode].mean(0) for mode in range(one.modes)])
    assert np.std(points - centres[modes]) == pytest.approx(DEVIATIONS[name], rel=0.03)
    assert np.bincount(modes) / 20_000 == pytest.approx(1 / one.modes, abs=0.012)


def test_the_papers_toys_are_where_the_authors_code_puts_them():
    def centres(name: str) -> np.ndarray:
        one = component_class(Distribution, name, "where")()
        points, modes = one.sample(50_000, generator(0, "points"))
        return np.stack([points[modes == mode].mean(0) for mode in range(one.modes)])

    ring = centres("eight_gaussians")
    assert np.linalg.norm(ring, axis=1) == pytest.approx(2 / 1.414, rel=2e-3)
    grid = centres("twenty_five_gaussians") * 2.828
    assert np.abs(grid - 2 * np.round(grid / 2)).max() < 0.01 and np.abs(grid).max() == pytest.approx(4, abs=0.01)
    roll, _ = component_class(Distribution, "swiss_roll", "where")().sample(50_000, generator(0, "points"))
    radius = np.linalg.norm(roll, axis=1) * 7.5
    assert 1.5 * np.pi - 1.2 < radius.min() and radius.max() < 4.5 * np.pi + 1.2


def delivered(folder, **settings):
    source = Sampled.model_validate({"distribution": "eight_gaussians", "train": 300, "validation": 100} | settings)
    folder.mkdir()
    source.provide(Points(), folder)
    return folder


def test_drawn_points_through_files_and_shards(tmp_path):
    raw, again = delivered(tmp_path / "a"), delivered(tmp_path / "b")
    for split in SPLITS:
        assert (raw / f"{split}.npy").read_bytes() == (again / f"{split}.npy").read_bytes()
    other = delivered(tmp_path / "c", seed=1)
    assert (raw / "train.npy").read_bytes() != (other / "train.npy").read_bytes()
    form = Points()
    assert form.classes(raw) == tuple(f"mode {mode}" for mode in range(8))
    assert form.classes(delivered(tmp_path / "d", distribution="swiss_roll")) == ()
    write_shards(
        form.samples(raw, "train"),
        tmp_path / "shards",
        dataset="d",
        split="train",
        shape=(2,),
        shard_size=128,
        classes=form.classes(raw),
    )
    shards = Shards(tmp_path / "shards")
    records = np.load(raw / "train.npy", allow_pickle=False)
    chosen = np.array([299, 0, 128])
    assert np.array_equal(shards.samples(chosen), records["point"][chosen]) and shards.dtype == np.float32
    assert np.array_equal(shards.labels(chosen), records["mode"][chosen])


RECORD = [("point", "<f4", (2,)), ("mode", "<i4")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((3, 2), np.float32), "expected (n,) records"),
        (np.zeros(3, [("point", "<f8", (2,)), ("mode", "<i4")]), "expected (n,) records"),
        (np.zeros((3, 1), RECORD), "expected (n,) records"),
        (np.zeros(0, RECORD), "no point"),
        (np.array([((np.nan, 0), 0)], RECORD), "not finite"),
        (np.array([((0, 0), -1)], RECORD), "mode that is not in"),
        (np.array([((0, 0), 5000)], RECORD), "mode that is not in"),
        (np.array([{"run": "me"}], object), "not an .npy of numbers"),
        (b"\x93NUMPY\x01\x00", "not an .npy of numbers"),
        (b"", "not an .npy of numbers"),
        (None, "no such file"),
    ],
)
def test_files_that_hold_something_else_are_refused(tmp_path, content, message):
    path = tmp_path / "train.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content, allow_pickle=True)
    with pytest.raises(UserError, match=re.escape(message)):
        list(Points().samples(tmp_path, "train"))


def test_a_source_says_what_it_cannot_deliver():
    assert "dimension 2" in Sampled(distribution=Choice(name="eight_gaussians")).refusal(Points(), (3,))
    assert Sampled(distribution=Choice(name="eight_gaussians")).refusal(Points(), (2,)) is None
    with pytest.raises(UserError, match="did you mean `swiss_roll`"):
        Sampled(distribution=Choice(name="swiss_rol")).modules(Points())
