"""Studies: one contract for all of them, and their numbers against the theory in closed form."""

import math

import numpy as np
import pytest
import torch

from ganflow.components import component_class
from ganflow.config import Choice
from ganflow.errors import UserError
from ganflow.methods.objectives.minimax import Minimax
from ganflow.methods.objectives.non_saturating import NonSaturating
from ganflow.studies.cases import divergence_fits, minimax_maximin, parallel_lines, saturation
from ganflow.studies.cases.minimax_maximin import Game
from ganflow.studies.interfaces import Study, studies_of

SHORT = {
    "parallel_lines": {"places": 5, "steps": 150, "points": 200},
    "disjoint_gaussians": {"steps": 500},
    "minimax_maximin": {"rounds": 120, "games": 1},
}


def numbers_of(name: str) -> dict[str, float]:
    """What a study, made short, finds."""
    torch.use_deterministic_algorithms(True)
    return component_class(Study, name, "where")(**SHORT[name]).run().numbers


@pytest.mark.parametrize("theta", [-0.7, 0.0, 0.2])
def test_distances_of_parallel_lines_in_closed_form(theta):
    apart = theta != 0
    expected = {"EM": abs(theta), "JS": math.log(2) * apart, "TV": 1.0 * apart, "KL": math.inf if apart else 0.0}
    assert {name: parallel_lines.exact(name, theta) for name in expected} == expected


@pytest.mark.slow
def test_the_critic_and_transport_find_the_distance_of_parallel_lines():
    numbers = numbers_of("parallel_lines")
    assert numbers["largest_error_of_transport"] < 0.08
    assert numbers["mean_error_of_critic"] < 0.1
    assert numbers["mean_error_of_critic"] < numbers["mean_error_uncorrected"]
    assert numbers["smallest_js_estimate_off_zero"] == pytest.approx(math.log(2), abs=0.01)


@pytest.mark.slow
def test_which_gradients_vanish():
    numbers = numbers_of("disjoint_gaussians")
    assert numbers["last_gradient_minimax"] < 1e-4
    assert numbers["last_gradient_non_saturating"] > 1
    assert numbers["last_gradient_wasserstein"] == pytest.approx(1, abs=0.4)


def test_losses_against_the_papers_formulas():
    chance = np.array([1e-3, 0.25, 0.5, 0.9])
    loss, slope = saturation.loss_and_slope(Minimax(), chance)
    assert loss == pytest.approx(np.log(1 - chance)) and slope == pytest.approx(chance)
    loss, slope = saturation.loss_and_slope(NonSaturating(), chance)
    assert loss == pytest.approx(-np.log(chance)) and slope == pytest.approx(1 - chance)


def test_fits_of_a_mixture():
    x, p = divergence_fits.X, divergence_fits.mixture(divergence_fits.X)
    mean = np.trapezoid(x * p, x)
    deviation = np.trapezoid((x - mean) ** 2 * p, x) ** 0.5
    assert divergence_fits.best_fit("kl") == pytest.approx((mean, deviation), abs=1e-3)  # moments match
    larger = divergence_fits.CENTRES[int(np.argmax(divergence_fits.SHARES))]
    assert divergence_fits.best_fit("reverse_kl") == pytest.approx((larger, divergence_fits.DEVIATION), abs=0.05)


@pytest.mark.slow
def test_the_generator_in_the_inner_loop_keeps_to_one_mode():
    numbers = numbers_of("minimax_maximin")
    assert numbers["maximin_largest_share"] > 0.6 > 0.4 > numbers["minimax_largest_share"]
    assert numbers["maximin_modes"] <= 3 < 6 <= numbers["minimax_modes"] and numbers["games_as_expected"] == 1


def test_minimax_and_maximin_are_of_a_zero_sum_game():
    objective, scores = minimax_maximin.OBJECTIVE, torch.linspace(-5, 5, 11, requires_grad=True)
    total = objective.critic_loss(torch.zeros(3), scores) + objective.generator_loss(scores)
    [slope] = torch.autograd.grad(total, scores)
    assert slope.abs().max() < 1e-7  # what one player gains by a generated point, the other loses


def test_the_caption_says_whether_the_expected_was_found():
    even, one = np.full(8, 1 / 8), np.eye(8)[3]
    wide, narrow = Game([1, 2], [one, even]), Game([1, 2], [even, one])
    said = minimax_maximin.caption({"minimax": [wide] * 2, "maximin": [narrow] * 2})
    assert "as expected, in every game" in said and "not as expected" not in said
    assert "0.12, 0.12 of the points" in said and "1.0, 1.0 of 8 modes" in said  # of the second half
    said = minimax_maximin.caption({"minimax": [wide, narrow], "maximin": [narrow, wide]})
    assert "not as expected, only in 1 of 2 games" in said and "0.12, 1.00 of the points" in said


def test_unknown_and_repeated_studies_are_refused():
    with pytest.raises(UserError, match="did you mean `saturation`"):
        studies_of([Choice(name="saturatio")])
    with pytest.raises(UserError, match="is listed twice"):
        studies_of([Choice(name="saturation")] * 2)
