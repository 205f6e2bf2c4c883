"""Runs as the report reads them: damaged or missing files are named, and what differs between runs is said."""

import html
import json
from pathlib import Path

import pytest
from plain_reports import undrawn
from report_pages import page as page
from report_pages import report as report
from report_pages import results as results
from synthetic_runs import DATASETS, EXTRACTOR, VARIANTS, experiment_of, make_runs

from ganflow.artifacts import MANIFEST, change_manifest, write_json
from ganflow.components import component_names
from ganflow.errors import UserError
from ganflow.reporting.captions import DEPARTURES
from ganflow.reporting.page import write_report
from ganflow.reporting.runs import load_runs


@pytest.mark.parametrize(
    "name",
    [
        "runs/{}/manifest.json",
        "runs/{}/journal.csv",
        "runs/{}/samples",
        "scores/{}/score.json",
        "scores/{}/neighbours.json",
        "generated/{}/curve.csv",
    ],
)
def test_a_missing_file_is_named(name, tmp_path):
    experiment = experiment_of((1,))
    make_runs(tmp_path, experiment)
    missing = tmp_path / "synthetic" / name.format("rendered_objects/wgan/1")
    missing.rename(tmp_path / "away")
    with pytest.raises(UserError) as error:
        load_runs(experiment, tmp_path)
    assert str(missing.parent if missing.name == MANIFEST else missing) in str(error.value)


def test_runs_that_params_do_not_name_are_not_read(results):
    assert {run.seed for run in load_runs(experiment_of((1,)), results)} == {1}


@pytest.mark.parametrize("name", ["runs/{}/journal.csv", "generated/{}/curve.csv", "scores/{}/neighbours.json"])
def test_a_damaged_file_is_named(name, tmp_path):
    experiment = experiment_of((1,))
    make_runs(tmp_path, experiment)
    path = tmp_path / "synthetic" / name.format("rendered_bedrooms/dcgan/1")
    path.write_text(path.read_text().rpartition(",")[0] + "\n")
    with pytest.raises(UserError, match=f"{path.name}: damaged"):
        load_runs(experiment, tmp_path)


def test_scores_of_an_older_version_are_named(tmp_path):
    experiment = experiment_of((1,))
    make_runs(tmp_path, experiment)
    path = next(tmp_path.rglob("score.json"))
    score = json.loads(path.read_text())
    del score["checks"]
    write_json(path, score | {"floor": {}})
    with pytest.raises(UserError, match="score.json: checks: is missing; run `python -m ganflow verify --repair "):
        load_runs(experiment, tmp_path)


@pytest.mark.slow
def test_a_protocol_that_differs_between_runs_is_not_shown_as_one(tmp_path):
    experiment = experiment_of((1,))
    make_runs(tmp_path, experiment)
    path = next(tmp_path.rglob("score.json"))
    score = json.loads(path.read_text())
    score["protocol"]["weights"] = "ema"
    write_json(path, score)
    with undrawn():
        write_report(experiment, load_runs(experiment, tmp_path), tmp_path / "report")
    page = (tmp_path / "report/index.html").read_text()
    assert "<td>metrics.frechet_distance</td><td>no settings</td>" in page
    assert f"<td>extractor.sha256</td><td>{EXTRACTOR['sha256']}</td>" in page
    assert "<td>weights</td><td>ema or raw</td>" in page or "<td>weights</td><td>raw or ema</td>" in page


def said_of(tmp_path: Path, experiment, changed: str, path: list[str], value) -> str:
    """The page of runs of which one value in the files of this name is changed."""
    make_runs(tmp_path, experiment)
    for file in tmp_path.rglob(changed):
        found = inner = json.loads(file.read_text())
        if path[0] in found:
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = value
            if file.name == MANIFEST:
                change_manifest(file.parent, found)
            else:
                write_json(file, found)
    with undrawn():
        write_report(experiment, load_runs(experiment, tmp_path), tmp_path / "report")
    return html.unescape((tmp_path / "report/index.html").read_text())


@pytest.mark.slow
def test_scores_by_batch_statistics_and_grids_by_running_ones_say_so_at_both_places(page, tmp_path):
    said = said_of(tmp_path, experiment_of((1,)), "score.json", ["protocol", "batch_norm"], "batch")
    table = "by batch norm with the statistics of each batch of 16; the grids of samples are by running statistics."
    grids = "Made with running statistics of batch norm, unlike the scored samples"
    assert said.count(table) == said.count(grids) == len(DATASETS)
    assert table not in page.text and grids not in page.text


@pytest.mark.slow
def test_copied_batch_norm_statistics_of_averaged_weights_are_said_beside_the_scores(page, tmp_path):
    said = said_of(tmp_path, experiment_of((1,)), "score.json", ["protocol", "ema_batch_norm"], "copied")
    words = f"The averaged weights of {', '.join(VARIANTS)} have batch-norm statistics of the raw weights"
    assert said.count(words) == len(DATASETS) and "<td>ema_batch_norm</td><td>copied</td>" in said
    assert "averaged weights" not in page.text


@pytest.mark.slow
def test_the_fixed_generators_pairing_is_said_beside_the_scores(page, tmp_path):
    said = said_of(tmp_path, experiment_of((1,)), "manifest.json", ["settings", "network", "name"], "noised_data")
    assert said.count(f"dcgan, wgan, wgan_gp: {DEPARTURES['noised_data']}.") == len(DATASETS)
    assert "paired independently" not in page.text and set(DEPARTURES) <= set(component_names("networks.families"))
