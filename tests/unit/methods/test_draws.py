"""Random numbers of a step: functions of seed, name, purpose and step alone."""

import numpy as np
import pytest
import torch

from ganflow.methods.draws import SAMPLES, Batch, Draws
from ganflow.randomness import generator


def test_random_numbers_depend_on_seed_purpose_and_step_alone():
    one = generator(0, "a", 1).standard_normal(4)
    assert np.array_equal(one, generator(0, "a", 1).standard_normal(4))
    for other in (generator(1, "a", 1), generator(0, "b", 1), generator(0, "a", 2), generator(0, "a", 1, 0)):
        assert not np.array_equal(one, other.standard_normal(4))


def test_random_numbers_stay_what_they_are():
    """Results hang on these: a change of numpy or of the key derivation must not pass unseen."""
    assert generator(0, "latent/critic", 3, 1).integers(0, 2**32, 3).tolist() == [2517790975, 333699930, 2994712516]


def test_draws_of_a_step_are_those_of_its_stream():
    draws = Draws(0, "cpu", "critic", (3, 1), 4)
    expected = generator(0, "latent/critic", 3, 1).standard_normal((4, 2), dtype=np.float32)
    assert np.array_equal(draws.normal("latent", (4, 2)), expected)
    assert torch.equal(draws.normal("latent", (4, 2)), draws.normal("latent", (4, 2)))
    assert not torch.equal(draws.normal("latent", (4, 2)), draws.normal("other", (4, 2)))
    uniform = draws.uniform("uniform", (1000,))
    assert uniform.dtype == torch.float32 and 0 <= uniform.min() < 0.01 and 0.99 < uniform.max() < 1


def test_drawn_classes_are_uniform():
    draws = Draws(0, "cpu", "test", (), 30_000)
    drawn = draws.integers("classes", (30_000,), 10).bincount(minlength=10)
    assert drawn.min() > 2_800 and drawn.max() < 3_200
    assert draws.integers("classes", (4,), 0).tolist() == [0] * 4


def test_a_batch_is_that_of_its_role():
    batch = Batch(torch.zeros(2, 1), lambda: torch.tensor([1, 2]))
    draws = Draws(0, "cpu", "critic", (0,), 2, {SAMPLES: batch})
    assert draws.batch() is batch and draws.batch().labels.tolist() == [1, 2]
    with pytest.raises(KeyError):
        draws.batch("pairs")
