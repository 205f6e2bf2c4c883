"""The report: equal bytes for equal runs, no reference outside the page, numbers that are numpy's, honest axes."""

import base64
import csv
import html
import io
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganflow.artifacts import digest_file, digest_value, write_json, write_manifest
from ganflow.config import Experiment, checked
from ganflow.errors import UserError
from ganflow.randomness import generator
from ganflow.reporting.page import POINTS, write_report
from ganflow.reporting.panels import CAPTIONS, OVER_SLOPE, estimate_axes, estimate_panels, loss_panels
from ganflow.reporting.runs import load_runs
from ganflow.reporting.strips import film_length

TOP = Path(__file__).resolve().parents[1]
DATASETS = {"rendered_bedrooms": 32, "rendered_objects": 16}
VARIANTS = {
    "dcgan": ("Jensen-Shannon estimate", "none", "free"),
    "wgan": ("Wasserstein estimate", "weight_clipping", "unknown"),
    "wgan_gp": ("Wasserstein estimate", "gradient_penalty", "near 1"),
}
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
    rest = {"training": {"iterations": 6}, "evaluation": {"metrics": ["sliced_wasserstein"]}}
    named = {"experiment": "synthetic", "seeds": seeds, "datasets": datasets, "variants": variants}
    return checked(Experiment, named | rest)


def make_run(top: Path, dataset: str, variant: str, seed: int) -> None:
    """A finished run and its score, as the train and evaluate stages leave them."""
    random = generator(seed, f"{dataset}/{variant}")
    name, constraint, slope = VARIANTS[variant]
    folder, size = top.joinpath("runs", dataset, variant, str(seed)), DATASETS[dataset]
    (folder / "samples").mkdir(parents=True)
    for iteration in (0, 3, 6):
        pixels = random.integers(0, 256, (2 * size, 2 * size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "samples" / f"{iteration:09d}.png")
    columns = ["critic_loss", "estimate", *(["penalty", "gradient_norm"] if constraint == "gradient_penalty" else [])]
    columns += ["generator_loss", "validation_critic_loss", "validation_estimate"]
    columns += [OVER_SLOPE] if slope != "free" else []
    with (folder / "journal.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["iteration", *columns])
        writer.writerows([step, *random.normal(size=len(columns)).tolist()] for step in (2, 4, 6))
    about = {
        "stage": "train",
        "unit": [dataset, variant, str(seed)],
        "fingerprint": f"{dataset}-{variant}-{seed}".encode().hex(),
        "digest": "0" * 64,
        "constraint": constraint,
        "legend": {
            "estimate": name,
            "formula": "formula of the estimate",
            "largest": None,
            "critic_loss": "formula of the loss",
            "blind_loss": 0.0,
            "slope": slope,
            "of": "images",
        },
        "settings": {"network": {"width": 64}},
        "parameters": {
            "objective": {"name": "wasserstein", "settings": {}},
            "optimizer": {"name": "adam", "settings": {}},
            "critic_steps": {"steps": 2},
            "training": {"iterations": 6, "grid": 2},
            "network": {"name": "<b>&dcgan</b>", "settings": {}},
        },
        "inputs": {f"data/shards/{dataset}": "1" * 64},
        "versions": {"torch": "2.14.1"},
    }
    write_manifest(folder, about)
    score = {
        "dataset": dataset,
        "variant": variant,
        "seed": seed,
        "iteration": 6,
        "scores": {"sliced_wasserstein": float(random.random())},
        "floor": {"sliced_wasserstein": 0.0123},
        "validation_critic_loss": float(random.normal()),
        "validation_estimate": float(random.normal()),
        "protocol": {"images": 32, "reference_split": "validation", "weights": "raw", "iteration": "final"},
    }
    scores = top.joinpath("scores", dataset, variant, str(seed))
    write_json(scores / "score.json", score)
    write_manifest(scores, {"stage": "evaluate", "fingerprint": digest_value(score)})


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
        source = Path(__file__).parents[1] / "src"
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

    def panels(self) -> list[dict]:
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


def test_the_claim_table_holds_what_numpy_computes_with_digests(results, page):
    runs = load_runs(experiment_of((1, 2)), results)
    rows = dict(re.findall(r'<tr><th scope="row">(\w+)<small>(.*?)</tr>', page.text, re.DOTALL))
    assert list(rows) == list(VARIANTS)
    for dataset in DATASETS:
        means = {}
        for variant, row in rows.items():
            [cell] = re.findall(rf'<td(?: class="best")? data-dataset="{dataset}".*?</td>', row, re.DOTALL)
            mine = [run for run in runs if (run.dataset, run.variant) == (dataset, variant)]
            values = [run.score["scores"]["sliced_wasserstein"] for run in mine]
            means[variant] = np.mean(values)
            mean, deviation = re.search(r'class="number"[^>]*>([\d.]+) ± ([\d.]+)<', cell).groups()
            assert float(mean) == pytest.approx(means[variant], rel=5e-4)
            assert float(deviation) == pytest.approx(np.std(values, ddof=1), rel=5e-2)
            for run in mine:
                score = results / "synthetic/scores" / dataset / variant / str(run.seed) / "score.json"
                assert digest_file(score)[:8] in cell and digest_file(score) in page.text
            assert f"sha256 of score.json: {run.score_digest}" in cell
        best = [v for v, row in rows.items() if f'<td class="best" data-dataset="{dataset}"' in row]
        assert best == [min(means, key=means.get)]
    assert page.text.index('class="claim"') < page.text.index('class="viewer"')


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
    assert page.fallbacks == 2 * len(DATASETS)


def test_a_page_of_many_runs_holds_fewer_grids_of_each():
    assert film_length(10) == 12 and film_length(32) == film_length(500) == 5
    assert all(film_length(runs + 1) <= film_length(runs) for runs in range(1, 100))


def test_the_charts_draw_the_journals(results, page):
    runs = load_runs(experiment_of((1, 2)), results)
    panels = []
    for dataset in DATASETS:
        chosen = [run for run in runs if run.dataset == dataset]
        panels += estimate_panels(chosen) + loss_panels(chosen)
    assert [panel["title"] for panel in page.panels()] == [panel.title for panel in panels]
    losses = page.panels()[4]
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
    line = next(p for p in Page(tmp_path / "report").panels() if p["title"] == "dcgan")["series"][0]
    assert len(line["x"]) == 500 <= POINTS and line["x"][:3] == [1, 4, 7] and line["y"][:3] == [1, 4, 7]
    assert (tmp_path / "report/curves/rendered_bedrooms.csv").read_text().count("dcgan 1,") == 1500
    rows = [f"{step},{'nan' if step == 3 else step},0,0,0,0" for step in range(1, 6)]
    journal.write_text("\n".join([head, *rows]) + "\n")
    write_report(experiment, load_runs(experiment, tmp_path), tmp_path / "report")
    line = next(p for p in Page(tmp_path / "report").panels() if p["title"] == "dcgan")["series"][0]
    assert line["y"] == [1, 2, None, 4, 5]


def test_both_engines_say_the_captions_of_the_page(page):
    for place in ("workflow/report/figure.rst", ".dvc/plots.html"):
        text = (TOP / place).read_text()
        assert all(caption in text for caption in CAPTIONS.values()), place
    assert all(CAPTIONS[kind] in html.unescape(page.text) for kind in ("losses", "estimates"))


def test_the_tables_hold_what_numpy_computes(results, report):
    experiment = experiment_of((1, 2))
    metrics = json.loads((report / "metrics.json").read_text())
    table = {(r["dataset"], r["variant"], r["score"]): r for r in csv.DictReader((report / "scores.csv").open())}
    runs = load_runs(experiment, results)
    for dataset in DATASETS:
        for variant in VARIANTS:
            values = [
                r.score["scores"]["sliced_wasserstein"] for r in runs if (r.dataset, r.variant) == (dataset, variant)
            ]
            line = table[dataset, variant, "sliced_wasserstein"]
            assert float(line["mean"]) == pytest.approx(np.mean(values), rel=1e-12)
            assert float(line["deviation"]) == pytest.approx(np.std(values, ddof=1), rel=1e-12)
            assert (line["seeds"], line["floor"]) == ("2", "0.0123")
            assert metrics[dataset][variant]["sliced_wasserstein"] == float(line["mean"])


def test_the_curves_are_the_journals(results, report):
    for run in load_runs(experiment_of((1, 2)), results):
        rows = csv.DictReader((report / "curves" / f"{run.dataset}.csv").open())
        mine = [row for row in rows if row["run"] == f"{run.variant} {run.seed}"]
        for column, values in run.journal.items():
            assert [float(row[column]) for row in mine] == values.tolist()


def test_clipped_penalised_and_jensen_shannon_estimates_never_share_an_axis(results):
    runs = [r for r in load_runs(experiment_of((1, 2)), results) if r.dataset == "rendered_objects"]
    axes = estimate_axes(runs)
    assert sorted(sorted({run.variant for run in axis.runs}) for axis in axes) == [["dcgan"], ["wgan"], ["wgan_gp"]]
    assert sum(len(axis.runs) for axis in axes) == len(runs)
    assert ["K unknown" in axis.label for axis in axes] == [False, True, False]
    over_slopes = estimate_panels(runs)[-1]
    assert {series.label for series in over_slopes.series} == {"wgan", "wgan_gp"} and "rough" in over_slopes.label


def test_with_one_seed_no_deviation_is_claimed(results, tmp_path):
    experiment = experiment_of((2,))
    write_report(experiment, load_runs(experiment, results), tmp_path)
    assert {row["deviation"] for row in csv.DictReader((tmp_path / "scores.csv").open())} == {""}
    page = (tmp_path / "index.html").read_text()
    assert "n = 1" in page and "±" not in page


@pytest.mark.parametrize(
    "name", ["runs/{}/manifest.json", "runs/{}/journal.csv", "runs/{}/samples", "scores/{}/score.json"]
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


def test_a_damaged_journal_is_named(tmp_path):
    experiment = experiment_of((1,))
    make_runs(tmp_path, experiment)
    journal = tmp_path / "synthetic/runs/rendered_bedrooms/dcgan/1/journal.csv"
    journal.write_text(journal.read_text()[:-30] + "\n")
    with pytest.raises(UserError, match="journal.csv"):
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
    assert "<td>weights</td><td>ema or raw</td>" in page or "<td>weights</td><td>raw or ema</td>" in page
