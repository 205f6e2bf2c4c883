"""The page: no reference outside it, the numbers and pictures of the runs, and nothing of what they lack."""

import base64
import csv
import html
import io
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from plain_reports import undrawn
from report_pages import Page, values_of
from report_pages import page as page
from report_pages import report as report
from report_pages import results as results
from synthetic_runs import BETTER, DATASETS, FLAG, FRECHET, ORDER, REAL, VARIANTS, experiment_of, make_runs

from ganflow.artifacts import digest_file, write_json
from ganflow.reporting.captions import CAPTIONS
from ganflow.reporting.charts import Plot, charts
from ganflow.reporting.page import write_report
from ganflow.reporting.runs import load_runs
from ganflow.reporting.sample_grids import frames_per_run
from ganflow.reporting.sections import POINTS


@pytest.mark.slow
def test_the_page_refers_to_nothing_outside_and_escapes_what_it_shows(report, page, tmp_path):
    found = [
        value
        for tag, attributes in page.tags
        for key, value in attributes.items()
        if key in ("src", "href", "srcset", "data", "action", "poster")
    ]
    assert found and all(value.startswith(("data:image/webp;base64,", "#")) for value in found)
    assert not {tag for tag, _ in page.tags} & {"link", "iframe", "object", "base"}
    assert "url(" not in page.text and "@import" not in page.text and "fetch(" not in page.text
    assert set(re.findall(r"https?://[^/\"]+", page.text)) == {"http://www.w3.org"}  # names of namespaces
    assert "&lt;b&gt;&amp;dcgan" in page.text and "<b>&dcgan" not in page.text
    assert str(report) not in page.text and str(tmp_path.parent) not in page.text


@pytest.mark.slow
def test_every_link_has_its_place_and_every_picture_its_words(page):
    places = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = {a["href"].removeprefix("#") for tag, a in page.tags if tag == "a"}
    assert links <= places and "protocol" in links
    assert all(a.get("alt") for tag, a in page.tags if tag == "img")


def tables_of(page: Page) -> dict[str, dict[str, str]]:
    """{dataset: {row: its HTML}} of the tables of scores."""
    tables = re.findall(r'aria-label="Scores on (\w+)"><table(.*?)</table>', page.text, re.DOTALL)
    return {
        name: dict(re.findall(r'<tr[^>]*><th scope="row">([\w\s-]+)<(.*?)</tr>', text, re.DOTALL))
        for name, text in tables
    }


def cells_of(row: str) -> dict[str, str]:
    return dict(re.findall(r'<td[^>]*data-score="(\w+)"(.*?)</td>', row, re.DOTALL))


def test_the_tables_of_scores_hold_what_numpy_computes_with_digests(results, page):
    runs = load_runs(experiment_of((1, 2)), results)
    tables = tables_of(page)
    assert list(tables) == list(DATASETS)
    for dataset, rows in tables.items():
        assert list(rows) == [*VARIANTS, "held-out real images", "blurred", "noisy"]
        assert list(cells_of(rows["dcgan"])) == ORDER  # that of score.json
        for score, sense in BETTER.items():
            means = {}
            for variant in VARIANTS:
                values = values_of(runs, dataset, variant, score)
                means[variant] = np.mean(values)
                cell = cells_of(rows[variant])[score]
                mean, deviation = re.search(r'class="number"[^>]*>([\d.]+) ± ([\d.]+)<', cell).groups()
                assert float(mean) == pytest.approx(means[variant], rel=5e-4)
                assert float(deviation) == pytest.approx(np.std(values, ddof=1), rel=5e-2)
                at_best = float(re.search(r"best at 3: ([\d.]+)", cell)[1])
                assert at_best == pytest.approx(np.mean(values_of(runs, dataset, variant, score, "best")), rel=5e-4)
                worst = REAL[score] / 2 if sense == "higher" else 9 * REAL[score]
                outside = means[variant] >= worst if sense == "lower" else means[variant] <= worst
                assert ("beyond the scale" in cell) == outside and "mark" not in cell  # two seeds: nobody is the best
            assert f"{REAL[score]:#.4g}".removesuffix(".") in cells_of(rows["held-out real images"])[score]
        for run in (run for run in runs if run.dataset == dataset):
            score = results / "synthetic/scores" / dataset / run.variant / str(run.seed) / "score.json"
            assert digest_file(score)[:8] in rows[run.variant] and digest_file(score) in page.text
            assert f"sha256 of score.json: {run.score_digest}" in rows[run.variant]
        assert "40, validation split" in rows["blurred"]
    assert page.text.index('class="scores"') < page.text.index('class="viewer"')
    assert "Lowest" not in page.text and "with 2 seeds the spread between trainings is unknown" in page.text


def test_a_failed_check_stands_under_its_table_and_a_spread_in_the_details(page):
    assert page.text.count(FLAG) == 1 and page.text.count("a check failed") == 1
    bedrooms, objects = (page.text.index(f'<h2 id="{name}"') for name in DATASETS)
    assert bedrooms < objects < page.text.index(FLAG)
    assert f"{FRECHET}_std" not in page.text and page.text.count(" ± 0.2468") == 2 * len(DATASETS) * len(VARIANTS) * 2
    assert page.text.count("± 0.25 between parts") == len(DATASETS) * len(VARIANTS)
    assert "there are no published scores to compare with" in page.text and "Published numbers" not in page.text


def test_the_neighbours_of_each_variant_are_there_with_their_distances(report, page):
    assert page.text.count("first 1.00 to 1.00, nearest 0.50 to 0.50") == len(DATASETS) * len(VARIANTS)
    assert CAPTIONS["neighbours"] in html.unescape(page.text)
    assert all((report / "figures" / f"{dataset}_neighbours.png").exists() for dataset in DATASETS)


@pytest.mark.slow
def test_without_a_curve_an_extractor_or_a_best_the_page_says_nothing_of_them(tmp_path):
    experiment = experiment_of((1,))
    make_runs(tmp_path, experiment)
    for path in tmp_path.rglob("score.json"):
        score = json.loads(path.read_text())
        score["protocol"] |= {"extractor": None, "best": None}
        write_json(path, score | {"best": None})
        path.with_name("neighbours.png").unlink()
    shutil.rmtree(tmp_path / "synthetic/generated")
    with undrawn():
        write_report(experiment, load_runs(experiment, tmp_path), tmp_path / "report")
    page = (tmp_path / "report/index.html").read_text()
    assert "best at 3" not in page and "Scores over training" not in page and "Nearest training" not in page
    assert "<td>extractor</td><td>none</td>" in page
    assert {row["best_mean"] for row in csv.DictReader((tmp_path / "report/scores.csv").open())} == {""}


def test_the_slider_has_every_seeds_grids_and_shows_the_last_without_a_script(results, page):
    for run in load_runs(experiment_of((1, 2)), results):
        frames = page.frames(run.dataset, run.variant)
        assert [int(f["data-iteration"]) for f in frames if f["data-seed"] == str(run.seed)] == [0, 3, 6]
        [shown] = [frame for frame in frames if "hidden" not in frame]
        assert (shown["data-seed"], shown["data-iteration"]) == ("1", "6")
        for frame in (f for f in frames if f["data-seed"] == str(run.seed)):
            with Image.open(io.BytesIO(base64.b64decode(frame["src"].partition(",")[2]))) as opened:
                pixels = np.asarray(opened.convert("RGB"), dtype=float)
            stored = {iteration: np.asarray(Image.open(path), dtype=float) for iteration, path in run.samples}
            likeness = {i: np.corrcoef(pixels.ravel(), grid.ravel())[0, 1] for i, grid in stored.items()}
            assert max(likeness, key=likeness.get) == int(frame["data-iteration"])
    assert page.fallbacks == 3 * len(DATASETS)


def test_a_page_of_many_runs_holds_fewer_grids_of_each():
    assert frames_per_run(10) == 12 and frames_per_run(32) == frames_per_run(500) == 5
    assert all(frames_per_run(runs + 1) <= frames_per_run(runs) for runs in range(1, 100))


def test_the_charts_draw_the_journals(results, page):
    runs = load_runs(experiment_of((1, 2)), results)
    plots: list[Plot] = []
    for dataset in DATASETS:
        for drawn in charts([run for run in runs if run.dataset == dataset]).values():
            plots += drawn
    assert [plot["title"] for plot in page.plots()] == [plot.title for plot in plots]
    losses = page.plots()[5]
    mine = [run.journal for run in runs if (run.dataset, run.variant) == ("rendered_bedrooms", "dcgan")]
    for series, column in zip(losses["series"], ("training_critic_loss", "validation_critic_loss"), strict=True):
        values = np.stack([journal[column] for journal in mine])
        assert series["x"] == mine[0]["iteration"].tolist()
        assert series["y"] == pytest.approx(values.mean(axis=0).tolist(), rel=1e-5)
        assert series["deviation"] == pytest.approx(values.std(axis=0, ddof=1).tolist(), rel=1e-5)
    assert [series["dotted"] for series in losses["series"]] == [False, True]


@pytest.mark.slow
def test_a_long_journal_is_thinned_in_the_page_only_and_a_gap_stays_a_gap(tmp_path):
    experiment = experiment_of((1,))
    make_runs(tmp_path, experiment)
    journal = tmp_path / "synthetic/runs/rendered_bedrooms/dcgan/1/journal.csv"
    head = "iteration,training_critic_loss,estimate,generator_loss,validation_critic_loss,validation_estimate"
    rows = [f"{step},{step},0,0,0,0" for step in range(1, 1501)]
    journal.write_text("\n".join([head, *rows]) + "\n")
    with undrawn():
        write_report(experiment, load_runs(experiment, tmp_path), tmp_path / "report")
    line = next(p for p in Page(tmp_path / "report").plots() if p["title"] == "dcgan")["series"][0]
    assert len(line["x"]) == 500 <= POINTS and line["x"][:3] == [1, 4, 7] and line["y"][:3] == [1, 4, 7]
    assert (tmp_path / "report/curves/rendered_bedrooms.csv").read_text().count("dcgan 1,") == 1500
    journal.write_text("\n".join([head, *rows[:5]]) + "\n")
    runs = load_runs(experiment, tmp_path)
    [gappy] = [run for run in runs if run.folder == journal.parent]
    gappy.journal["training_critic_loss"][2] = np.nan
    with undrawn():
        write_report(experiment, runs, tmp_path / "report")
    line = next(p for p in Page(tmp_path / "report").plots() if p["title"] == "dcgan")["series"][0]
    assert line["y"] == [1, 2, None, 4, 5]
