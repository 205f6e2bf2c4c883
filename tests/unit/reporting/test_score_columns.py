"""Scores by name: their order is that of params.yaml's metrics, and both senses are read the right way round."""

from dataclasses import replace

import pytest
from synthetic_runs import experiment_of, make_runs

from ganflow.reporting.runs import RunRecord, load_runs
from ganflow.reporting.scores import scores_of
from ganflow.reporting.tables import rounded, score_tables


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[RunRecord]:
    folder, experiment = tmp_path_factory.mktemp("scores"), experiment_of((1,))
    make_runs(folder, experiment)
    return [run for run in load_runs(experiment, folder) if run.dataset == "rendered_objects"]


def scored(run: RunRecord, values: dict[str, float], better: dict[str, str]) -> RunRecord:
    return replace(run, score=run.score | {"scores": values, "best": None, "better": better, "order": list(better)})


def test_scores_stand_as_their_metrics_do(runs):
    names = ["kid", "recall_efficientnet_lite0", "precision_efficientnet_lite0", "fid"]
    found = scores_of([scored(runs[0], dict.fromkeys(names, 0.5), dict.fromkeys(names, "lower"))])
    assert [score.name for score in found] == names
    assert [score.title for score in found] == ["KID", "Recall", "Precision", "FID"]
    assert (found[1].by, found[0].by) == ("by efficientnet_lite0, lower is better", "lower is better")


def test_a_score_that_one_run_lacks_is_no_score_of_all(runs):
    names = (("a", "b"), ("b", "c"))
    mine = [
        scored(run, dict.fromkeys(of, 1.0), dict.fromkeys(of, "lower")) for run, of in zip(runs, names, strict=False)
    ]
    assert [score.name for score in scores_of(mine)] == ["b"]


def test_bars_are_shares_of_the_highest(runs):
    values = {"dcgan": -0.5, "wgan": 1.0, "wgan_gp": 3.0}
    made = [scored(run, {"sliced_wasserstein": values[run.variant]}, {"sliced_wasserstein": "lower"}) for run in runs]
    [table] = score_tables(made)
    [score] = table.scores
    assert [table.share(score, value) for value in values.values()] == [0, pytest.approx(100 / 3), 100]
    assert table.share(score, table.real(score)) == pytest.approx(0.41)


def test_numbers_are_rounded_to_figures_but_never_lose_those_before_the_point():
    assert [rounded(value) for value in (12345.6, 50.1, 0.02, -0.5)] == ["12,346", "50.10", "0.02000", "-0.5000"]
    assert [rounded(value, 2) for value in (130.0, 0.0299, 9.96)] == ["130", "0.030", "10"]
