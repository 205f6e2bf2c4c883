"""Scores by name: their order is that of params.yaml's metrics, and both senses are read the right way round."""

from dataclasses import replace

import pytest
from plain_reports import undrawn
from synthetic_runs import experiment_of, make_runs

from ganflow.reporting.mlflow_dataset import _table
from ganflow.reporting.page import write_report
from ganflow.reporting.runs import RunRecord, load_runs
from ganflow.reporting.scores import scores_of
from ganflow.reporting.tables import as_csv, rounded, score_tables


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


def test_a_score_that_one_run_lacks_stays_with_an_empty_cell(runs, tmp_path):
    """As of translations, which have targets, beside samples, which are compared with the data."""
    names = (("a", "b"), ("b", "c"), ("b",))
    mine = [
        scored(run, dict.fromkeys(of, 1.0), dict.fromkeys(of, "lower")) for run, of in zip(runs, names, strict=True)
    ]
    assert [score.name for score in scores_of(mine)] == ["a", "b", "c"]
    [table] = score_tables(mine)
    assert [[row.variant for row in table.having(score)] for score in table.scores] == [
        [runs[0].variant],
        [run.variant for run in runs],
        [runs[1].variant],
    ]
    written = [line.split(",")[1:3] for line in as_csv([table]).splitlines()[1:]]
    assert [name for variant, name in written if variant == runs[2].variant] == ["b", "held_out_loss"]
    experiment = experiment_of((1,))
    objects = {"rendered_objects": experiment.datasets["rendered_objects"]}
    with undrawn():
        write_report(experiment.model_copy(update={"datasets": objects}), mine, tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert page.count('<td data-score="a">–</td>') == page.count('<td data-score="c">–</td>') == 2
    assert f"| {runs[1].variant} | 1 |  | 1.000 | 1.000 |" in _table(mine, {})


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
