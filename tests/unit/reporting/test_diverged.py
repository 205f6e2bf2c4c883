"""Trainings that diverged in the report and in MLflow: named, without a score, a lesson or a claim."""

import csv
import html
import json
import re
from pathlib import Path

import numpy as np
import pytest
from plain_reports import undrawn
from synthetic_runs import VARIANTS, diverge, experiment_of, make_runs
from tracking import make_trained

from ganflow.artifacts import write_json
from ganflow.reporting import watch
from ganflow.reporting.charts import Plot, Series, charts
from ganflow.reporting.claims import claims_of, sentences
from ganflow.reporting.figures import plot_figure
from ganflow.reporting.mlflow_run import UnfinishedRun
from ganflow.reporting.page import write_report
from ganflow.reporting.publishing import publish
from ganflow.reporting.runs import DivergedRun, load_runs, parted
from ganflow.reporting.tables import score_tables
from ganflow.reporting.tracking_store import TrackingStore
from ganflow.stages import compare

OBJECTS, BEDROOMS = "rendered_objects", "rendered_bedrooms"
SAID = (
    "diverged at iteration 5: critic_loss is nan (one of 2 that are not finite); its journal is finite until "
    "iteration 4, its last finite weights are the snapshot of iteration 3; lower the variant's learning rate"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One seed of wgan_gp diverged on objects, and all trainings on bedrooms; with the report."""
    folder, experiment = tmp_path_factory.mktemp("diverged"), experiment_of((1, 2))
    make_runs(folder, experiment)
    diverge(folder / "synthetic", OBJECTS, "wgan_gp", 2)
    for variant in VARIANTS:
        for seed in experiment.seeds:
            diverge(folder / "synthetic", BEDROOMS, variant, seed)
    with undrawn():
        write_report(experiment, load_runs(experiment, folder), folder / "report")
    return folder


def test_the_page_says_it_first_in_its_table_beside_its_samples_and_in_the_details(made):
    page = html.unescape((made / "report/index.html").read_text())
    assert page.index("7 of 12 trainings diverged") < page.index("<nav>")
    assert page.count(SAID) == 2 * 7  # at the top and in the details
    table = page[page.index(f'aria-label="Scores on {OBJECTS}"') :].partition("</table>")[0]
    assert re.search(r"wgan_gp.*n = 1", table) and "seed 2</small>" in table
    assert "No score</b>: diverged at iteration 5" in table and table.count('class="diverged"') == 1
    viewer = page[page.index(f'aria-label="Samples of {OBJECTS}"') :].partition("</section>")[0]
    assert "seed 2 diverged at 5" in viewer and viewer.count("diverged") == 1
    assert f'aria-label="Scores on {BEDROOMS}"' in page  # a section without a single score


def test_tables_and_metrics_count_it_and_score_the_others(made):
    metrics = json.loads((made / "report/metrics.json").read_text())
    assert metrics[BEDROOMS] == {variant: {"diverged": 2} for variant in VARIANTS}
    assert metrics[OBJECTS]["wgan_gp"]["diverged"] == 1 and "sliced_wasserstein" in metrics[OBJECTS]["wgan_gp"]
    assert "diverged" not in metrics[OBJECTS]["dcgan"]
    rows = list(csv.DictReader((made / "report/scores.csv").open()))
    ended = [row for row in rows if row["score"] == "diverged"]
    assert len(ended) == 7 and {row["iteration"] for row in ended} == {"5"}
    assert {row["seeds"] for row in rows if row["variant"] == "wgan_gp" and row not in ended} == {"1"}
    curves = {row["run"] for row in csv.DictReader((made / f"report/curves/{OBJECTS}.csv").open())}
    assert "wgan_gp 2, diverged at 5" in curves and "wgan_gp 1" in curves


def test_a_chart_shows_it_without_giving_it_the_axis(made):
    runs = [run for run in load_runs(experiment_of((1, 2)), made) if run.dataset == OBJECTS]
    series = [line for plots in charts(runs).values() for plot in plots for line in plot.series]
    ended = [line for line in series if line.diverged]
    assert ended and all("seed 2: diverged at 5" in line.label for line in ended)
    assert all(np.isfinite(line.mean).all() and line.mean.max() < 1e3 for line in series if not line.diverged)
    steps = np.arange(2.0)
    good, wild = (
        Series("good", 0, False, steps, steps, None),
        Series("wild", 1, False, steps, 1e30 * steps, None, True),
    )
    with pytest.MonkeyPatch.context() as patch:
        limits = []
        patch.setattr("ganflow.reporting.figures.as_png", lambda figure: limits.append(figure.axes[0].get_ylim()))
        plot_figure([Plot("p", "l", None, [good])])
        plot_figure([Plot("p", "l", None, [wild, good])])
        plot_figure([Plot("p", "l", None, [wild])])
    assert limits[0] == limits[1] and limits[2][1] > 1e29


def test_the_best_of_the_seeds_that_are_left_is_not_claimed(made):
    runs = load_runs(experiment_of((1, 2)), made)
    scored, diverged = parted(runs)
    assert len(scored) == 5 and all(isinstance(run, DivergedRun) for run in diverged)
    for run in scored:
        run.score["scores"] |= {
            "sliced_wasserstein": {"dcgan": 9.0, "wgan": 8.0, "wgan_gp": 1.0}[run.variant] + run.seed
        }
    [*_, table] = score_tables([run for run in runs if run.dataset == OBJECTS])
    said = " ".join(sentences(claims_of(table)))
    assert "a training of the best variant diverged, so its mean is of the others alone" in said
    [empty] = score_tables([run for run in runs if run.dataset == BEDROOMS])
    assert claims_of(empty) == [] and len(empty.diverged) == 6


def test_compare_says_it_and_what_differs(made, monkeypatch, capsys):
    (made / "results").symlink_to(made) if not (made / "results").exists() else None
    monkeypatch.chdir(made)
    compare.run(experiment_of((1, 2)), f"{OBJECTS}/dcgan/1", f"{OBJECTS}/wgan_gp/2")
    said = capsys.readouterr().out
    assert f"{OBJECTS} wgan_gp 2 {SAID}" in said and "can't be compared" in said
    assert re.search(r"constraint\.name +none +gradient_penalty", said)


@pytest.mark.slow
def test_mlflow_has_it_as_failed_with_the_reason_and_without_a_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    experiment, _ = make_trained(tmp_path / "results")
    diverge(tmp_path / "results/synthetic", OBJECTS, "wgan_gp", 1)
    write_json(Path("params.yaml"), experiment.model_dump(mode="json"))
    runs = load_runs(experiment, tmp_path / "results")
    assert publish(experiment, runs, TrackingStore())[:2] == (6, 0)
    assert publish(experiment, runs, TrackingStore())[:2] == (0, 6)
    with TrackingStore().client() as client:
        home = client.get_experiment_by_name("synthetic").experiment_id
        shown = {run.info.run_name: run for run in client.search_runs([home])}
        failed = shown["wgan_gp 1 rendered_objects"]
        assert failed.info.status == "FAILED" and failed.data.tags["diverged"].startswith("diverged at iteration 5")
        assert SAID in failed.data.tags["mlflow.note.content"]
        assert not client.search_logged_models([home], filter_string=f"source_run_id = '{failed.info.run_id}'")
        assert "sliced_wasserstein" not in failed.data.metrics
        assert [m.step for m in client.get_metric_history(failed.info.run_id, "critic_loss")] == [2, 4]
        files = {file.path for file in client.list_artifacts(failed.info.run_id)}
        assert {"journal.csv", "divergence.json", "images"} <= files and "score.json" not in files
        assert {run.info.status for name, run in shown.items() if name != failed.info.run_name} == {"FINISHED"}
        assert "diverged at iteration 5" in shown[OBJECTS].data.tags["mlflow.note.content"]


@pytest.mark.slow
def test_a_follower_turns_a_running_training_that_diverges_into_the_failed_one_and_ends(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.0)
    experiment, _ = make_trained(tmp_path / "results")
    diverge(tmp_path / "results/synthetic", OBJECTS, "wgan_gp", 1)
    runs = load_runs(experiment, tmp_path / "results")
    [wild] = parted(runs)[1]
    before = {column: values[:1] for column, values in wild.journal.items()}
    training = UnfinishedRun(wild.dataset, wild.variant, wild.seed, wild.manifest, before, wild.samples[:1])
    seen = []

    def poll():
        with TrackingStore().client() as client:
            home = client.get_experiment_by_name("synthetic")
            found = client.search_runs([home.experiment_id]) if home else []
            seen.append({run.info.run_name: run.info for run in found})
        return (runs, []) if len(seen) == 2 else ([run for run in runs if run is not wild], [training])

    watch.watch(experiment, poll, TrackingStore())
    name = "wgan_gp 1 rendered_objects"
    assert len(seen) == 2 and seen[1][name].status == "RUNNING"
    with TrackingStore().client() as client:
        ended = client.get_run(seen[1][name].run_id)
        assert ended.info.status == "FAILED" and SAID in ended.data.tags["mlflow.note.content"]
        assert [(m.step, m.value) for m in client.get_metric_history(ended.info.run_id, "critic_loss")] == [
            (2, wild.journal["critic_loss"][0]),
            (4, wild.journal["critic_loss"][1]),
        ]
        assert len(client.search_runs([ended.info.experiment_id])) == len(seen[1])
