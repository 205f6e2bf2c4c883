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

from ganflow.artifacts import digest_file, digest_value, write_json, write_manifest
from ganflow.config import Experiment
from ganflow.errors import UserError
from ganflow.params_file import checked
from ganflow.randomness import generator
from ganflow.reporting.captions import CAPTIONS
from ganflow.reporting.charts import Plot, charts
from ganflow.reporting.page import write_report
from ganflow.reporting.runs import RunRecord, load_runs
from ganflow.reporting.sample_grids import frames_per_run
from ganflow.reporting.sections import POINTS

TOP = Path(__file__).resolve().parents[3]
DATASETS = {"rendered_bedrooms": 32, "rendered_objects": 16}
VARIANTS = {  # axis of the estimate, what its label says, its name in MLflow, the constraint
    "dcgan": ("Jensen-Shannon, of images", "(lower bound, at most 0.693)", "jensen-shannon", "none"),
    "wgan": (
        "wgan: K × Wasserstein, of images",
        "= K × distance, K unknown (clipped critic)",
        "wasserstein times K of wgan",
        "weight_clipping",
    ),
    "wgan_gp": (
        "Wasserstein, slope near 1, of images",
        "≈ distance, Lipschitz constant near 1",
        "wasserstein",
        "gradient_penalty",
    ),
}
OVER_NORM = "validation_estimate_over_gradient_norm"
FRECHET, PRECISION = "frechet_distance_efficientnet_lite0", "precision_efficientnet_lite0"
BETTER = {FRECHET: "lower", PRECISION: "higher", "sliced_wasserstein": "lower"}
ORDER = ["sliced_wasserstein", FRECHET, PRECISION]
REAL = {FRECHET: 20.0, PRECISION: 0.9, "sliced_wasserstein": 0.0123}
FLAG = f"{PRECISION}: blurred images score no worse than held-out ones"
BEST = f"lowest {FRECHET} of 50 images, every 3 iterations"
EXTRACTOR = {"name": "efficientnet_lite0", "sha256": "e" * 64, "resize": "bilinear to 96 x 96"}
WRITE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_report import experiment_of
from ganflow.reporting.page import write_report
from ganflow.reporting.runs import load_runs
experiment = experiment_of((1, 2))
write_report(experiment, load_runs(experiment, Path(sys.argv[2])), Path(sys.argv[3]))
assert "torch" not in sys.modules
"""


def experiment_of(seeds: tuple[int, ...]) -> Experiment:
    datasets = {
        name: {"format": "cifar10", "source": "rendered", "resolution": size} for name, size in DATASETS.items()
    }
    variants = {name: {"network": "dcgan", "objective": "wasserstein", "optimizer": "adam"} for name in VARIANTS}
    metrics = ["sliced_wasserstein", "frechet_distance", "precision_recall"]
    rest = {"training": {"iterations": 6}, "evaluation": {"metrics": metrics}}
    named = {"experiment": "synthetic", "seeds": seeds, "datasets": datasets, "variants": variants}
    return checked(Experiment, named | rest)


def make_run(top: Path, dataset: str, variant: str, seed: int) -> None:
    """A finished run and its score, as the train and evaluate stages leave them."""
    random = generator(seed, f"{dataset}/{variant}")
    *_, metric, constraint = VARIANTS[variant]
    folder, size = top.joinpath("runs", dataset, variant, str(seed)), DATASETS[dataset]
    (folder / "samples").mkdir(parents=True)
    for iteration in (0, 3, 6):
        pixels = random.integers(0, 256, (2 * size, 2 * size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "samples" / f"{iteration:09d}.png")
    columns = ["critic_loss", "estimate", *(["penalty", "gradient_norm"] if constraint == "gradient_penalty" else [])]
    columns += ["generator_loss", "validation_critic_loss", "validation_estimate"]
    columns += [OVER_NORM] if "K" in VARIANTS[variant][1] or constraint == "gradient_penalty" else []
    with (folder / "journal.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["iteration", *columns])
        writer.writerows([step, *random.normal(size=len(columns)).tolist()] for step in (2, 4, 6))
    about = {
        "stage": "train",
        "unit": [dataset, variant, str(seed)],
        "fingerprint": f"{dataset}-{variant}-{seed}".encode().hex(),
        "digest": "0" * 64,
        "scored": "generator",
        "exports": {"generator": {"takes": "latent", "gives": "samples", "averaged": False}},
        "charts": charts_of(variant, columns),
        "grids": [],
        "summary": ["wasserstein", *([constraint] if constraint != "none" else [])],
        "held_out_loss": "validation_critic_loss",
        "metric_names": {column: f"{column}/{metric}" for column in ("estimate", "validation_estimate")},
        "settings": {
            "network": {"name": "<b>&dcgan</b>", "settings": {"width": 64}},
            "method": {"name": "adversarial", "settings": {"critic_steps": {"steps": 2}}},
            "objective": {"name": "wasserstein", "settings": {}},
            "constraint": {"name": constraint, "settings": {}},
            "conditioning": {"name": "none", "settings": {}},
            "optimizer": {"name": "adam", "settings": {"lr": 0.0002}},
        },
        "parameters": {
            "network": {"name": "<b>&dcgan</b>", "settings": {}},
            "method": {"name": "adversarial", "settings": {"objective": "wasserstein"}},
            "optimizer": {"name": "adam", "settings": {}},
            "training": {"iterations": 6, "grid": 2},
        },
        "inputs": {f"data/shards/{dataset}": "1" * 64},
        "code": {"ganflow.networks": "2" * 64},
        "versions": {"torch": "2.14.1"},
    }
    write_manifest(folder, about)
    generated = top.joinpath("generated", dataset, variant, str(seed))
    generated.mkdir(parents=True)
    with (generated / "curve.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["iteration", FRECHET])
        writer.writerows([step, float(random.uniform(100, 300))] for step in (0, 3, 6))
    scores = top.joinpath("scores", dataset, variant, str(seed))
    write_json(scores / "score.json", score := score_of(random, dataset, variant, seed))
    write_neighbours(random, scores, size)
    write_manifest(scores, {"stage": "evaluate", "fingerprint": digest_value(score)})


def charts_of(variant: str, columns: list[str]) -> list[dict]:
    """The charts of an adversarial method, as its manifest has them."""
    axis, note, *_ = VARIANTS[variant]
    plain = {"level": 0.0, "series": "", "dotted": False}
    loss = plain | {"figure": "losses", "axis": variant, "title": variant, "label": "formula of the loss"}
    made = [
        loss | {"column": "critic_loss", "series": "training"},
        loss | {"column": "validation_critic_loss", "series": "held out", "dotted": True},
    ]
    estimate = plain | {"figure": "estimates", "axis": axis, "title": axis, "label": f"formula of the estimate\n{note}"}
    made.append(estimate | {"column": "validation_estimate"})
    if OVER_NORM in columns:
        over = "Wasserstein estimates over measured gradient norms"
        made.append(estimate | {"column": OVER_NORM, "axis": over, "title": over, "label": "(rough)"})
    return made


def score_of(random: np.random.Generator, dataset: str, variant: str, seed: int) -> dict:
    def drawn() -> dict[str, float]:
        return {name: float(random.random()) for name in BETTER} | {f"{FRECHET}_spread": 0.25}

    degraded = {name: value / 2 if BETTER[name] == "higher" else 9 * value for name, value in REAL.items()}
    return {
        "dataset": dataset,
        "variant": variant,
        "seed": seed,
        "iteration": 6,
        "scores": drawn(),
        "best": {"iteration": 3, "scores": drawn()},
        "better": BETTER,
        "order": ORDER,
        "checks": {
            name: {"samples": 40, "scores": scores}
            for name, scores in {"blurred": degraded, "held_out": REAL, "noisy": degraded}.items()
        },
        "flags": [FLAG] if dataset == "rendered_objects" else [],
        "literature": {},
        "held_out_loss": float(random.normal()),
        "protocol": {
            "images": 32,
            "real_images": 32,
            "real_split": "train",
            "check_split": "validation",
            "batch_size": 16,
            "weights": "raw",
            "batch_norm": "running",
            "iteration": "final",
            "best": BEST,
            "seed": seed,
            "extractor": EXTRACTOR,
            "metrics": {"sliced_wasserstein": {"patches": 16}, "frechet_distance": {}, "precision_recall": {"k": 3}},
            "versions": {"torch": "2.14.1"},
        },
    }


def write_neighbours(random: np.random.Generator, scores: Path, size: int) -> None:
    pixels = random.integers(0, 256, (4 * size, 12 * size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(scores / "neighbours.png")
    about = {"samples": list(range(12)), "nearest": [[3, 4, 5]] * 12, "real_distance": 2.0}
    distances = [[2.0, 3.0, 4.0]] * 6 + [[1.0, 3.0, 4.0]] * 6
    write_json(scores / "neighbours.json", about | {"distances": distances, "first": 6, "nearest_first": 6})


def make_runs(results: Path, experiment: Experiment) -> None:
    for dataset in experiment.datasets:
        for variant in experiment.variants:
            for seed in experiment.seeds:
                make_run(results / experiment.experiment, dataset, variant, seed)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    make_runs(folder, experiment_of((1, 2)))
    return folder


@pytest.fixture(scope="module")
def report(results: Path, tmp_path_factory) -> Path:
    folder, experiment = tmp_path_factory.mktemp("report"), experiment_of((1, 2))
    write_report(experiment, load_runs(experiment, results), folder)
    return folder


def test_equal_runs_give_equal_bytes_in_other_processes_places_and_hash_seeds(results, report, tmp_path):
    for place, hash_seed in enumerate(("1", "77")):
        cwd = tmp_path / str(place)
        cwd.mkdir()
        (cwd / "matplotlibrc").write_text(f"lines.linewidth: {place + 5}\nfont.size: {place + 20}\n")
        out = cwd / "out"
        source = Path(__file__).parents[3] / "src"
        variables = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(source)}
        command = [sys.executable, "-c", WRITE, str(Path(__file__).parent), str(results), str(out)]
        subprocess.run(command, cwd=cwd, env=variables, check=True)
        assert contents(out) == contents(report)


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
            best = [variant for variant in VARIANTS if '<b class="mark">' in cells_of(rows[variant])[score]]
            assert best == [(min if sense == "lower" else max)(means, key=means.get)]
            assert f"{REAL[score]:#.4g}".removesuffix(".") in cells_of(rows["held-out real images"])[score]
        for run in (run for run in runs if run.dataset == dataset):
            score = results / "synthetic/scores" / dataset / run.variant / str(run.seed) / "score.json"
            assert digest_file(score)[:8] in rows[run.variant] and digest_file(score) in page.text
            assert f"sha256 of score.json: {run.score_digest}" in rows[run.variant]
        assert "40, validation split" in rows["blurred"]
    assert page.text.index('class="claim"') < page.text.index('class="viewer"')
    assert page.text.count("Lowest sliced Wasserstein:") == 1


def test_a_failed_check_stands_under_its_table_and_a_spread_in_the_details(page):
    assert page.text.count(FLAG) == 1 and page.text.count("a check failed") == 1
    bedrooms, objects = (page.text.index(f'<h2 id="{name}"') for name in DATASETS)
    assert bedrooms < objects < page.text.index(FLAG)
    assert f"{FRECHET}_spread" not in page.text and page.text.count(" ± 0.25") == 2 * len(DATASETS) * len(VARIANTS) * 2
    assert "nobody has published numbers for them" in page.text and "Published numbers" not in page.text


def test_the_neighbours_of_each_variant_are_there_with_their_distances(report, page):
    assert page.text.count("first 1.00 to 1.00, nearest 0.50 to 0.50") == len(DATASETS) * len(VARIANTS)
    assert CAPTIONS["neighbours"] in html.unescape(page.text)
    for dataset in DATASETS:
        with Image.open(report / "figures" / f"{dataset}_neighbours.png") as picture:
            assert picture.width > 1000


def test_curves_of_scores_have_a_plot_for_each_score_that_all_runs_have(results):
    runs = [run for run in load_runs(experiment_of((1, 2)), results) if run.dataset == "rendered_objects"]
    [plot] = charts(runs)["scores"]
    assert plot.title == "Fréchet distance" and "lower is better" in plot.label
    assert plot.label.endswith("best: lowest of 50 images, every 3 iterations")
    curves = np.stack([run.curve[FRECHET] for run in runs if run.variant == "wgan"])
    assert np.allclose(plot.series[1].mean, curves.mean(0)) and plot.series[1].iterations.tolist() == [0, 3, 6]
    del runs[0].curve[FRECHET]
    assert "scores" not in charts(runs)


def test_without_a_curve_an_extractor_or_a_best_the_page_says_nothing_of_them(tmp_path):
    experiment = experiment_of((1,))
    make_runs(tmp_path, experiment)
    for path in tmp_path.rglob("score.json"):
        score = json.loads(path.read_text())
        score["protocol"] |= {"extractor": None, "best": None}
        write_json(path, score | {"best": None})
        path.with_name("neighbours.png").unlink()
    shutil.rmtree(tmp_path / "synthetic/generated")
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
    for series, column in zip(losses["series"], ("critic_loss", "validation_critic_loss"), strict=True):
        values = np.stack([journal[column] for journal in mine])
        assert series["x"] == mine[0]["iteration"].tolist()
        assert series["y"] == pytest.approx(values.mean(axis=0).tolist(), rel=1e-5)
        assert series["deviation"] == pytest.approx(values.std(axis=0, ddof=1).tolist(), rel=1e-5)
    assert [series["dotted"] for series in losses["series"]] == [False, True]


def test_a_long_journal_is_thinned_in_the_page_only_and_a_gap_stays_a_gap(tmp_path):
    experiment = experiment_of((1,))
    make_runs(tmp_path, experiment)
    journal = tmp_path / "synthetic/runs/rendered_bedrooms/dcgan/1/journal.csv"
    head = "iteration,critic_loss,estimate,generator_loss,validation_critic_loss,validation_estimate"
    rows = [f"{step},{'nan' if step == 3 else step},0,0,0,0" for step in range(1, 1501)]
    journal.write_text("\n".join([head, *rows]) + "\n")
    write_report(experiment, load_runs(experiment, tmp_path), tmp_path / "report")
    line = next(p for p in Page(tmp_path / "report").plots() if p["title"] == "dcgan")["series"][0]
    assert len(line["x"]) == 500 <= POINTS and line["x"][:3] == [1, 4, 7] and line["y"][:3] == [1, 4, 7]
    assert (tmp_path / "report/curves/rendered_bedrooms.csv").read_text().count("dcgan 1,") == 1500
    rows = [f"{step},{'nan' if step == 3 else step},0,0,0,0" for step in range(1, 6)]
    journal.write_text("\n".join([head, *rows]) + "\n")
    write_report(experiment, load_runs(experiment, tmp_path), tmp_path / "report")
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
    assert [[series.label for series in plot.series] for plot in losses] == [["training", "held out"]] * 3


def test_with_one_seed_no_deviation_is_claimed(results, tmp_path):
    experiment = experiment_of((2,))
    write_report(experiment, load_runs(experiment, results), tmp_path)
    assert {row["deviation"] for row in csv.DictReader((tmp_path / "scores.csv").open())} == {""}
    page = (tmp_path / "index.html").read_text()
    assert "n = 1" in page and "±" not in page.replace("± 0.25", "")  # a spread over parts of one set


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
    assert str(missing) in str(error.value)


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
    with pytest.raises(UserError, match="score.json: has no `checks`"):
        load_runs(experiment, tmp_path)


def test_a_protocol_that_differs_between_runs_is_not_shown_as_one(tmp_path):
    experiment = experiment_of((1,))
    make_runs(tmp_path, experiment)
    path = next(tmp_path.rglob("score.json"))
    score = json.loads(path.read_text())
    score["protocol"]["weights"] = "ema"
    write_json(path, score)
    write_report(experiment, load_runs(experiment, tmp_path), tmp_path / "report")
    page = (tmp_path / "report/index.html").read_text()
    assert "<td>metrics.frechet_distance</td><td>no settings</td>" in page
    assert f"<td>extractor.sha256</td><td>{EXTRACTOR['sha256']}</td>" in page
    assert "<td>weights</td><td>ema or raw</td>" in page or "<td>weights</td><td>raw or ema</td>" in page
