"""Every distribution of points: shapes, modes, and the same points for the same seed."""

import numpy as np
import pytest

from ganflow.components import component_class, names
from ganflow.data.interfaces import Distribution
from ganflow.randomness import generator


@pytest.mark.parametrize("name", names(Distribution))
def test_every_distribution_keeps_the_contract(name):
    one = component_class(Distribution, name, "where")()
    points, modes = one.sample(20_000, generator(0, "points"))
    assert points.shape == (20_000, one.dimension) and points.dtype == np.float64 and np.isfinite(points).all()
    assert modes.shape == (20_000,) and modes.dtype == np.int64
    assert set(np.unique(modes)) == set(range(one.modes))
    again, _ = one.sample(20_000, generator(0, "points"))
    assert np.array_equal(points, again)
    other, _ = one.sample(20_000, generator(1, "points"))
    assert not np.array_equal(points, other)
    assert one.sample(3, generator(0, "points"))[0].shape == (3, one.dimension)
