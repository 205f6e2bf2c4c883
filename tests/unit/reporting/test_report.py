"""The report: equal bytes for equal runs, files of scores that numpy computes, honest axes."""

import csv
import html
import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from plain_reports import undrawn
from report_pages import page as page
from report_pages import report as report
from report_pages import results as results
from report_pages import values_of
from repository import TOP
from synthetic_runs import BETTER, DATASETS, FRECHET, REAL, VARIANTS, experiment_of

from ganflow.reporting.captions import CAPTIONS
from ganflow.reporting.charts import charts
from ganflow.reporting.page import write_report
from ganflow.reporting.runs import load_runs

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


@pytest.mark.slow
def test_with_one_seed_no_deviation_is_claimed(results, tmp_path):
    experiment = experiment_of((2,))
    with undrawn():
        write_report(experiment, load_runs(experiment, results), tmp_path)
    assert {row["deviation"] for row in csv.DictReader((tmp_path / "scores.csv").open())} == {""}
    page = (tmp_path / "index.html").read_text()
    assert "n = 1" in page and "±" not in re.sub("± 0.2468|± 0.25 between parts", "", page)


def test_both_engines_say_the_captions_of_the_page(page):
    for place in ("workflow/report/figure.rst", ".dvc/plots.html"):
        text = (TOP / place).read_text()
        assert all(caption in text for caption in CAPTIONS.values()), place
    assert all(CAPTIONS[kind] in html.unescape(page.text) for kind in ("scores", "losses", "estimates"))


def test_curves_of_scores_have_a_plot_for_each_score_that_all_runs_have(results):
    runs = [run for run in load_runs(experiment_of((1, 2)), results) if run.dataset == "rendered_objects"]
    [plot] = charts(runs)["scores"]
    assert plot.title == "Fréchet distance" and "lower is better" in plot.label
    assert plot.label.endswith("best: lowest of 50 images, every 3 iterations")
    curves = np.stack([run.curve[FRECHET] for run in runs if run.variant == "wgan"])
    assert np.allclose(plot.series[1].mean, curves.mean(0)) and plot.series[1].iterations.tolist() == [0, 3, 6]
    del runs[0].curve[FRECHET]
    assert "scores" not in charts(runs)


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
