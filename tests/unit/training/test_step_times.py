"""How long steps take, measured on every kind of method."""

import pytest
from trainings import VARIANTS, settings, trainer, write_splits

from ganflow.training import step_times


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    return write_splits(tmp_path_factory.mktemp("shards"))[16]


@pytest.mark.parametrize("name", ["dcgan", "vae", "began"])
def test_every_player_is_timed(splits, monkeypatch, name):
    monkeypatch.setattr(step_times, "MIN_SECONDS", 0.0)
    work = trainer(splits, VARIANTS[name])
    times = step_times.measured(work)
    assert list(times.steps) == [player.name for player in work.model.players]
    assert min(*times.steps.values(), times.row, times.grid) > 0 and times.grid_bytes > 100


def test_seconds_and_images_are_those_of_the_steps_ahead(splits):
    work = trainer(splits, VARIANTS["dcgan"], settings(journal_every=2, sample_every=4))
    times = step_times.StepTimes({"critic": 2.0, "generator": 3.0}, 5.0, 7.0, 100)
    critic_steps = 3 * 4 + 5 * 2  # boosted at 0, 1 and 5
    assert step_times.seconds(times, work) == critic_steps * 2.0 + 8 * 3.0 + 8 * (5.0 / 2 + 7.0 / 4)
    assert step_times.seconds(times, work, 6) == 2 * 2 * 2.0 + 2 * 3.0 + 2 * (5.0 / 2 + 7.0 / 4)
    assert step_times.images_used(work) == critic_steps * 6 and step_times.images_used(work, 6) == 4 * 6
    assert step_times.grids(settings(sample_every=4)) == 4 and step_times.snapshots(settings(snapshot_every=3)) == 2
