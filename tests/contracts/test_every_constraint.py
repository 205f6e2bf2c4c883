"""Every constraint says what a Wasserstein critic's estimate is under it: by a formula that inverts, or in words."""

import math

import pytest

from ganflow.components import component_class, names
from ganflow.methods.components import Constraint

CONSTRAINTS = {name: component_class(Constraint, name, "where")() for name in names(Constraint)}


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_the_optimum_inverts_its_formula_and_the_distance_grows_with_the_estimate(name):
    optimum, before = CONSTRAINTS[name].optimum(), -1.0
    if optimum is None:
        assert "W" in CONSTRAINTS[name].estimates
        return
    assert "W" in optimum.formula and optimum.slope_formula in optimum.formula
    for distance in (0.0, 1e-6, 0.1, 1.0, 33.0, 1e6):
        slope = optimum.slope_at(distance)
        assert math.isfinite(slope) and slope >= 0
        found = optimum.distance_of(slope * distance)
        assert found == pytest.approx(distance, rel=1e-9) and found > before
        before = found
    assert [optimum.distance_of(estimate) for estimate in (-3.0, -0.1)] == [-3.0, -0.1]
