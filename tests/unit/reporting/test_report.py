"""The report: equal bytes for equal runs, no reference outside the page, numbers that are numpy's, honest axes."""

import base64
import csv
import html
import io
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from plain_reports import undrawn
from repository import TOP
from synthetic_runs import BETTER, DATASETS, EXTRACTOR, FLAG, FRECHET, ORDER, REAL, VARIANTS, experiment_of, make_runs

from ganflow.artifacts import MANIFEST, change_manifest, digest_file, write_json
from ganflow.components import component_names
from ganflow.errors import UserError
from ganflow.reporting.captions import CAPTIONS, DEPARTURES
from ganflow.reporting.charts import Plot, charts
from ganflow.reporting.page import write_report
from ganflow.reporting.runs import RunRecord, load_runs
from ganflow.reporting.sample_grids import frames_per_run
from ganflow.reporting.sections import POINTS

WRITE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from synthetic_runs import experiment_of
from ganflow.reporting.page import write_report
from ganflow.reporting.runs import load_runs
experiment = experiment_of((1, 2))
write_report(experiment, load_runs(experiment, Path(sys.argv[2])), Path(sys.argv[3]))
assert "torch" not in sys.modules
"""


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """Made-up results of two seeds."""
    folder = tmp_path_factory.mktemp("results")
    make_runs(folder, experiment_of((1, 2)))
    return folder


@pytest.fixture(scope="module")
def report(results: Path) -> Path:
    """Their report, with an empty picture for each figure."""
    with undrawn():
        write_report(experiment_of((1, 2)), load_runs(experiment_of((1, 2)), results), results / "report")
    return results / "report"


@pytest.mark.slow
def test_equal_runs_give_equal_bytes_in_another_process_place_and_hash_seed(synthetic, tmp_path):
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 5\nfont.size: 20\n")
    variables = os.environ | {"PYTHONHASHSEED": "77", "PYTHONPATH": str(TOP / "src")}
    command = [sys.executable, "-c", WRITE, str(TOP / "tests/support"), str(synthetic), str(tmp_path / "out")]
    subprocess.run(command, cwd=tmp_path, env=variables, check=True)
    assert contents(tmp_path / "out") == contents(synthetic / "report")
    for dataset in DATASETS:
        with Image.open(synthetic / "report/figures" / f"{dataset}_neighbours.png") as picture:
            assert picture.width > 1000


class Page(HTMLParser):
    """What a report's page holds, without running it: tags with their attributes, and the text inside some."""

    def __init__(self, report: Path):
        super().__init__()
        self.text = (report / "index.html").read_text()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.fallbacks = 0  # pictures in <noscript>
        self.inside: list[str] = []
        self.feed(self.text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside.append(tag)
        self.fallbacks += tag == "img" and "noscript" in self.inside

    def handle_endtag(self, tag):
        if tag in self.inside:
            while self.inside.pop() != tag:
                pass

    def frames(self, dataset: str, variant: str) -> list[dict[str, str | None]]:
        start = f"{variant} on {dataset}, "
        return [a for tag, a in self.tags if tag == "img" and "data-seed" in a and a["alt"].startswith(start)]

    def plots(self) -> list[dict]:
        found = re.findall(r'<script type="application/json">(.*?)</script>', self.text, re.DOTALL)
        return [json.loads(text) for text in found]


@pytest.fixture(scope="module")
def page(report) -> Page:
    return Page(report)


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


def values_of(runs: list[RunRecord], dataset: str, variant: str, score: str, which: str = "scores") -> list[float]:
    mine = [run.score for run in runs if (run.dataset, run.variant) == (dataset, variant)]
    return [(score_["best"]["scores"] if which == "best" else score_["scores"])[score] for score_ in mine]


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


def test_curves_of_scores_have_a_plot_for_each_score_that_all_runs_have(results):
    runs = [run for run in load_runs(experiment_of((1, 2)), results) if run.dataset == "rendered_objects"]
    [plot] = charts(runs)["scores"]
    assert plot.title == "Fréchet distance" and "lower is better" in plot.label
    assert plot.label.endswith("best: lowest of 50 images, every 3 iterations")
    curves = np.stack([run.curve[FRECHET] for run in runs if run.variant == "wgan"])
    assert np.allclose(plot.series[1].mean, curves.mean(0)) and plot.series[1].iterations.tolist() == [0, 3, 6]
    del runs[0].curve[FRECHET]
    assert "scores" not in charts(runs)


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


def test_both_engines_say_the_captions_of_the_page(page):
    for place in ("workflow/report/figure.rst", ".dvc/plots.html"):
        text = (TOP / place).read_text()
        assert all(caption in text for caption in CAPTIONS.values()), place
    assert all(CAPTIONS[kind] in html.unescape(page.text) for kind in ("scores", "losses", "estimates"))


def test_the_files_of_scores_hold_what_numpy_computes(results, report):
    experiment = experiment_of((1, 2))
    metrics = json.loads((report / "metrics.json").read_text())
    table = {(r["dataset"], r["variant"], r["score"]): r for r in csv.DictReader((report / "scores.csv").open())}
    runs = load_runs(experiment, results)
    assert len(table) == len(DATASETS) * len(VARIANTS) * (len(BETTER) + 1)
    for dataset, variant, score in itertools.product(DATASETS, VARIANTS, BETTER):
        values, line = values_of(runs, dataset, variant, score), table[dataset, variant, score]
        assert float(line["mean"]) == pytest.approx(np.mean(values), rel=1e-12)
        assert float(line["deviation"]) == pytest.approx(np.std(values, ddof=1), rel=1e-12)
        assert (line["seeds"], line["held_out"], line["better"]) == ("2", str(REAL[score]), BETTER[score])
        assert float(line["best_mean"]) == pytest.approx(np.mean(values_of(runs, dataset, variant, score, "best")))
        assert (line["best_iteration"], line["weights"], line["iteration"]) == ("3", "raw", "6")
        assert metrics[dataset][variant][score] == float(line["mean"])
        assert metrics[dataset][variant][f"{score}_deviation"] == float(line["deviation"])


def test_the_curves_are_the_journals(results, report):
    for run in load_runs(experiment_of((1, 2)), results):
        rows = csv.DictReader((report / "curves" / f"{run.dataset}.csv").open())
        mine = [row for row in rows if row["run"] == f"{run.variant} {run.seed}"]
        for column, values in run.journal.items():
            assert [float(row[column]) for row in mine] == values.tolist()


def test_columns_of_one_axis_share_a_plot_and_no_others_do(results):
    runs = [r for r in load_runs(experiment_of((1, 2)), results) if r.dataset == "rendered_objects"]
    plots = charts(runs)["estimates"]
    assert [[series.label for series in plot.series] for plot in plots] == [
        ["dcgan"],
        ["wgan"],
        ["wgan", "wgan_gp"],
        ["wgan_gp"],
    ]
    assert ["K unknown" in plot.label for plot in plots] == [False, True, False, False] and "rough" in plots[2].label
    assert [series.colour for series in plots[2].series] == [1, 2]  # of the variant, whatever plot it is in
    losses = charts(runs)["losses"]
    assert [plot.title for plot in losses] == list(VARIANTS)
    assert [[series.label for series in plot.series] for plot in losses] == [["training data", "held-out data"]] * 3


@pytest.mark.slow
def test_with_one_seed_no_deviation_is_claimed(results, tmp_path):
    experiment = experiment_of((2,))
    with undrawn():
        write_report(experiment, load_runs(experiment, results), tmp_path)
    assert {row["deviation"] for row in csv.DictReader((tmp_path / "scores.csv").open())} == {""}
    page = (tmp_path / "index.html").read_text()
    assert "n = 1" in page and "±" not in re.sub("± 0.2468|± 0.25 between parts", "", page)


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
