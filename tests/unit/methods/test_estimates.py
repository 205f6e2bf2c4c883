"""What a Wasserstein critic's estimate means: the penalty's optimum, the corrected distance, and flags."""

import math
import re

import numpy as np
import pytest
import torch
from models import IMAGES, built, variant
from scipy.optimize import minimize_scalar

from ganflow.methods.constraints.gradient_penalty import GradientPenalty
from ganflow.methods.gradient_norms import gradient_norms
from ganflow.methods.objectives.wasserstein import Wasserstein
from ganflow.networks.families.toy_mlp import ToyMLP
from ganflow.optimal_transport import transport_plan
from ganflow.randomness import generator
from ganflow.studies.critics import Critic, finish, points

NETWORK, POINTS = {"toy_mlp": {"width": 8, "layers": 2}}, (2,)
GP = {"gradient_penalty": {"weight": 10.0}}
PLAIN = {"dcgan": {"width": 4, "critic_norm": "none"}}


def of_points(constraint, shape: tuple[int, ...] = POINTS, network=NETWORK, **changes):
    return built(variant(network=network, objective="wasserstein", constraint=constraint, **changes), shape, 0)


@pytest.mark.parametrize("weight", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("distance", [0.01, 0.5, 3.0, 40.0])
@pytest.mark.parametrize("one_sided", [False, True])
def test_the_optimum_between_two_points_is_what_a_search_over_slopes_finds(weight, distance, one_sided):
    """Two points at distance W: of all critics with E f(real) - E f(fake) = s W the straight one has the least penalty,
    by Jensen's inequality, as x^ is uniform between them; so a search over its slope s finds the optimum."""

    def loss(slope: float) -> float:
        excess = max(slope - 1, 0) if one_sided else slope - 1
        return -slope * distance + weight * excess**2

    best = minimize_scalar(loss, bounds=(0, 2 + distance / weight), method="bounded", options={"xatol": 1e-12}).x
    optimum = GradientPenalty(weight=weight, one_sided=one_sided).optimum()
    assert optimum.slope_at(distance) == pytest.approx(best, rel=1e-6)
    assert optimum.distance_of(best * distance) == pytest.approx(distance, rel=1e-6)


def cells(real: np.ndarray, fake: np.ndarray, count: int = 60) -> tuple[np.ndarray, np.ndarray, float]:
    """On a grid over all points, per cell: the mean of F_fake - F_real, the probability of x^, and the width; x^ is
    uniform between every real and every fake point, in closed form."""
    edges = np.linspace(min(real.min(), fake.min()) - 1e-9, max(real.max(), fake.max()) + 1e-9, count + 1)
    width = edges[1] - edges[0]

    def below(values: np.ndarray) -> np.ndarray:  # the mean over each cell of the distribution function
        inside = np.clip(edges[1:, None] - values, 0, width)
        return inside.mean(1) / width

    low, high = (f(real[:, None], fake[None]).ravel() for f in (np.minimum, np.maximum))
    passed = np.clip((edges[:, None] - low) / (high - low), 0, 1).mean(1)
    return below(fake) - below(real), np.diff(passed), width


@pytest.mark.parametrize("weight", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("shift", [0.0, 0.7, 4.0])
def test_in_one_dimension_the_corrected_distance_of_the_best_critic_is_w_or_more(weight, shift):
    """The best of all functions linear in cells, found by L-BFGS on their slopes, in float64."""
    draw = generator(0, "line")
    real, fake = draw.standard_normal(60), shift + draw.standard_normal(60)
    difference, mass, width = cells(real, fake)
    slopes = torch.ones(len(mass), dtype=torch.float64) * torch.from_numpy(np.sign(difference))
    slopes.requires_grad_()
    gain, share = torch.from_numpy(difference * width), torch.from_numpy(mass)
    solver = torch.optim.LBFGS([slopes], lr=1, max_iter=300, tolerance_grad=1e-13, tolerance_change=0)

    def closure() -> torch.Tensor:
        solver.zero_grad()
        loss = -(gain * slopes).sum() + weight * (share * (slopes.abs() - 1).square()).sum()
        loss.backward()
        return loss

    solver.step(closure)
    estimate = float((gain * slopes.detach()).sum())
    grid_distance = float(np.abs(difference).sum() * width)
    closed = grid_distance + float((gain.square() / share).sum()) / (2 * weight)
    assert estimate == pytest.approx(closed, rel=1e-6)  # W + integral (F_fake - F_real)^2 / (2 lambda p)
    exact = transport_plan(real[:, None], fake[:, None])[1]
    assert grid_distance == pytest.approx(exact, rel=0.02)
    corrected = GradientPenalty(weight=weight).optimum().distance_of(estimate)
    assert estimate > corrected >= grid_distance * (1 - 1e-9)
    if shift == 4.0:
        assert corrected == pytest.approx(exact, rel=0.25 if weight < 1 else 0.15)


@pytest.mark.slow
@pytest.mark.parametrize(  # every pair of settings
    ("dimension", "weight", "one_sided"), [(1, 1.0, False), (1, 10.0, True), (2, 1.0, True), (2, 10.0, False)]
)
def test_a_trained_critic_corrected_is_near_exact_transport_between_fixed_points(dimension, weight, one_sided):
    """Two fixed sets of 200 points; within 10 % of exact EM, where the raw estimate is up to 150 % above it."""
    draw = generator(0, "fixed points")
    shift = np.eye(dimension)[0] * 3.0
    real, fake = (
        points(lambda d, m=m: m + 0.2 * d.standard_normal((200, dimension)), draw) for m in (0 * shift, shift)
    )
    exact = transport_plan(real.numpy(), fake.numpy())[1]
    constraint = GradientPenalty(weight=weight, one_sided=one_sided)
    critic = Critic(Wasserstein(), constraint, dimension, ToyMLP(width=64, layers=2), 2e-3, seed=0)
    finish(critic.fit(lambda d: real.numpy()[d.permutation(200)], lambda d: fake.numpy()[d.permutation(200)], 800))
    estimate, optimum = critic.estimate(real, fake), constraint.optimum()
    assert optimum.distance_of(estimate) == pytest.approx(exact, rel=0.1)
    assert estimate == pytest.approx(exact * optimum.slope_at(exact), rel=0.15)
    norms = gradient_norms(critic.score, real, fake, points(lambda d: d.random(200), draw))
    assert float(norms.detach().median()) == pytest.approx(optimum.slope_at(exact), rel=0.1)


def test_a_negative_estimate_stays_as_it_is_and_the_correction_is_smooth_at_zero():
    optimum = GradientPenalty(weight=0.1).optimum()
    assert [optimum.distance_of(value) for value in (-5.0, -0.01, 0.0)] == [-5.0, -0.01, 0.0]
    assert optimum.distance_of(1e-12) == pytest.approx(1e-12, rel=1e-9)
    assert optimum.distance_of(87.5) > 0 and math.isfinite(optimum.distance_of(1e300))
    assert GradientPenalty(weight=10.0).optimum().distance_of(87.45) == pytest.approx(33, rel=1e-9)  # 33 (1 + 33 / 20)


@pytest.mark.parametrize("given", [["spectral_norm", GP], [{"weight_clipping": {"limit": 0.1}}, GP], "spectral_norm"])
def test_with_another_constraint_the_penaltys_formula_is_not_claimed(given):
    model = of_points(given, IMAGES, PLAIN)
    labels = {chart.column: chart.label for chart in model.charts}
    assert "validation_distance" not in labels and "K unknown" in labels["validation_estimate"].replace("\n", " ")
    assert "validation_distance" not in model.estimates.values(torch.ones(3), 1.0)


def axes_of(constraint) -> dict[str, str]:
    return {chart.column: chart.axis for chart in of_points(constraint).charts}


def test_raw_estimates_of_different_lambda_share_no_axis_and_corrected_ones_do():
    one, other = (axes_of({"gradient_penalty": {"weight": weight}}) for weight in (0.1, 10.0))
    same = axes_of({"gradient_penalty": {"weight": 10.0, "one_sided": True}})
    assert one["validation_estimate"] != other["validation_estimate"] == same["validation_estimate"]
    assert one["validation_distance"] == other["validation_distance"]
    assert "1 + W / 20" in other["validation_estimate"] and "1 + W / 0.2" in one["validation_estimate"]


def test_a_clipped_critics_estimate_over_its_slope_comes_first():
    columns = [chart.column for chart in of_points("weight_clipping").charts if chart.figure == "estimates"]
    assert columns == ["validation_estimate_over_gradient_norm", "validation_estimate"]


def test_the_journal_has_the_corrected_distance_of_the_mean_estimate_and_the_optimums_slope():
    values = of_points(GP).estimates.values(torch.tensor([0.5, 2.0]), 87.45)
    assert values["validation_distance"] == pytest.approx(33)
    assert values["validation_optimal_gradient_norm"] == pytest.approx(2.65)
    assert of_points(GP).estimates.values(torch.ones(2), -1.0)["validation_optimal_gradient_norm"] == 1


def journal(rows: int = 12, wrong: int = 12, **columns: float) -> list[dict[str, float]]:
    """A second half of `rows` rows in which `wrong` rows have these values, after a first half that is all wrong."""
    usual = {"estimate": 1.0, "transport_cosine": 0.9, "gradient_norm_q50": 1.05, "gradient_norm_max": 1.3}
    bad = {"estimate": -9.0, "transport_cosine": -1.0, "gradient_norm_q50": 99.0, "gradient_norm_max": 99.0}
    halves = [bad] * rows + [usual] * (rows - wrong) + [usual | columns] * wrong
    return [
        {f"validation_{key}": value for key, value in row.items()} | {"validation_optimal_gradient_norm": 1.05}
        for row in halves
    ]


@pytest.mark.parametrize(
    ("columns", "sentences"),
    [
        ({}, []),
        ({"estimate": -0.124}, [r"negative in 12 of the last 12 rows of the journal, -0\.124 on average"]),
        ({"estimate": -0.5, "wrong": 8}, [r"negative in 8 of the last 12 rows of the journal, 0 on average"]),
        ({"estimate": -0.5, "wrong": 7}, []),
        ({"transport_cosine": -0.78}, [r"points away .* in 12 of the last 12 rows .* is -0\.78 on average"]),
        ({"gradient_norm_q50": 2.2, "gradient_norm_max": 3.0}, [r"2\.2 on average, the largest 3, .* / 20 is 1\.05"]),
        ({"gradient_norm_q50": 2.0, "gradient_norm_max": 3.0}, []),
        ({"gradient_norm_q50": 0.1, "gradient_norm_max": 0.4}, [r"factor of 2 .*: 0\.1 on average, the largest 0\.4"]),
        ({"gradient_norm_q50": 0.6, "gradient_norm_max": 1.0}, []),
        ({"estimate": -0.2, "transport_cosine": -0.1}, ["negative", "points away"]),
    ],
)
def test_what_contradicts_the_label_is_a_sentence_with_numbers(columns, sentences):
    found = of_points(GP).flags(journal(**columns))
    assert len(found) == len(sentences)
    for flag, expected in zip(found, sentences, strict=True):
        assert re.search(expected, flag) and "\n" not in flag


def test_noise_around_zero_and_few_rows_raise_no_flag():
    noise = journal()
    for place, row in enumerate(noise):
        row["validation_estimate"] = row["validation_transport_cosine"] = 0.02 * (-1) ** place - 0.001
    assert of_points(GP).flags(noise) == []
    assert of_points(GP).flags(journal(2, 2, estimate=-1.0)) == []


def test_flags_are_about_estimates_that_a_slope_scales():
    assert built(variant(network=NETWORK), POINTS, 0).flags(journal(estimate=-1.0, transport_cosine=-1.0)) == []
    assert len(of_points("weight_clipping").flags(journal(estimate=-1.0, gradient_norm_q50=50.0))) == 1  # K unknown
    assert of_points(GP, IMAGES, PLAIN).flags(journal(transport_cosine=-1.0)) == []
