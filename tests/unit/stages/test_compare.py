"""compare: scores of two runs side by side, whichever way is better, and what differs in how they were made."""

import json
import re
from pathlib import Path

import pytest
from synthetic_runs import FRECHET, PRECISION, REAL, experiment_of, make_runs

from ganflow.artifacts import write_json
from ganflow.stages import compare

OBJECTS = "rendered_objects"


@pytest.fixture
def there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    experiment = experiment_of((1, 2))
    make_runs(Path("results"), experiment)
    return experiment


def score_file(variant: str, seed: int) -> Path:
    return Path("results/synthetic/scores", OBJECTS, variant, str(seed), "score.json")


def test_scores_stand_beside_what_real_samples_get_and_what_the_best_snapshot_got(there, capsys):
    compare.run(there, f"{OBJECTS}/dcgan/1", f"{OBJECTS}/wgan_gp/2")
    said = capsys.readouterr().out
    one, other = (json.loads(score_file(*run).read_text()) for run in (("dcgan", 1), ("wgan_gp", 2)))
    for score, sense in ((FRECHET, "lower"), (PRECISION, "higher")):
        final, best, real = re.search(
            rf"{score}, {sense} is better +(.*)\n +at its best +(.*)\n +of held-out real samples +(.*)", said
        ).groups()
        for line, key in ((final, lambda s: s["scores"]), (best, lambda s: s["best"]["scores"])):
            shown = [float(word) for word in line.split()]
            assert shown == pytest.approx([key(one)[score], key(other)[score]], rel=5e-4)
        assert [float(word) for word in real.split()] == [REAL[score]] * 2
    assert re.search(r"best iteration +3 +3", said) and "_std" not in said
    assert "can't be compared" not in said  # two seeds have one protocol


def test_seeds_are_averaged_and_what_only_one_has_is_left_out(there, capsys):
    for seed in (1, 2):
        score = json.loads(score_file("dcgan", seed).read_text())
        for part in (score["scores"], score["better"], score["checks"]["held_out"]["scores"]):
            part.pop(PRECISION, None)
        write_json(score_file("dcgan", seed), score | {"best": None})
    compare.run(there, f"{OBJECTS}/dcgan", f"{OBJECTS}/wgan_gp")
    said = capsys.readouterr().out
    assert "(2 seeds)" in said and "±" in said and re.search(r"at its best +- +\d", said)
    assert f"{PRECISION}, higher" not in said
    assert "These scores can't be compared" in said and re.search(rf"scores +{FRECHET}, sliced_wasserstein +", said)
