"""Published numbers: beside ours only under the same name, with every difference of protocol that is known."""

import json
import random
from dataclasses import replace

import pytest
from plain_reports import undrawn
from synthetic_runs import DATASETS, EXTRACTOR, FRECHET, experiment_of, make_run

from ganflow.artifacts import write_json
from ganflow.config import Dataset, Experiment
from ganflow.params_file import checked
from ganflow.reporting.literature import KINDS, differences
from ganflow.reporting.literature_scores import PUBLISHED, literature_for
from ganflow.reporting.page import write_report
from ganflow.reporting.runs import load_runs

OURS = {
    "images": 50_000,
    "real_images": 50_000,
    "real_split": "train",
    "weights": "raw",
    "iteration": "final",
    "extractor": EXTRACTOR | {"name": "inception"},
    "metrics": {"frechet_distance": {}, "classifier_score": {"splits": 10}},
}


def published(method: str, score: str, source: str):
    [found] = [p for p in PUBLISHED if (p.method, p.score) == (method, score) and source in p.source][:1]
    return found


def dataset(form: str, source: str, resolution: int) -> Dataset:
    return checked(Dataset, {"format": form, "source": source, "resolution": resolution})


def test_differences_are_those_that_are_known_and_those_that_nobody_stated():
    mimicry = published("WGAN-GP, ResNet", "fid", "mimicry")
    assert differences(mimicry, OURS) == ["iteration: not stated, ours final"]
    assert differences(replace(mimicry, chosen="final"), OURS) == []
    assert differences(replace(mimicry, chosen="final"), OURS | {"images": 1000, "real_images": 600}) == [
        "images: 50,000, ours 1,000",
        "real images: 50,000, ours 600",
    ]
    logs = published("WGAN-GP", "fid", "logs")
    assert differences(logs, OURS) == [
        "images: 10,000, ours 50,000",
        "real images: not stated, ours 50,000",
        "split: test, ours train",
        "pipeline around Inception: StudioGAN's",
    ]
    other = differences(logs, OURS | {"extractor": EXTRACTOR, "weights": "ema"})
    assert "extractor: Inception, ours efficientnet_lite0" in other and "weights: not stated, ours averaged" in other
    assert "extractor: Inception, ours none" in differences(logs, OURS | {"extractor": None})


def test_an_inception_score_has_splits_and_no_real_images():
    paper = published("WGAN-GP, ResNet", "inception_score", "1704.00028")
    assert str(paper) == "7.86 ± 0.07"
    assert differences(paper, OURS | {"real_images": 7}) == ["iteration: not stated, ours final"]
    fewer = OURS | {"metrics": {"classifier_score": {"splits": 5}}}
    assert "splits: 10, ours 5" in differences(paper, fewer)


def test_numbers_are_those_of_the_format_and_the_resolution_and_of_nothing_drawn():
    assert {one.dataset for one in literature_for(dataset("cifar10", "official", 32))} == {"cifar10"}
    wide, small = (literature_for(dataset("lsun_bedroom", "official", side)) for side in (128, 64))
    assert {one.method for one in wide} == {"SNGAN", "SSGAN", "InfoMax-GAN", "LSGAN"}
    assert {one.method for one in small} == {"LSGAN", "GGAN, hinge loss"}
    assert literature_for(dataset("lsun_bedroom", "official", 32)) == []
    assert literature_for(dataset("cifar10", "rendered", 32)) == []
    assert all(one.source and one.score in ("fid", "kid", "inception_score") for one in PUBLISHED)
    assert {one.kind for one in PUBLISHED} <= KINDS.keys() | {""}


@pytest.fixture
def official(tmp_path, monkeypatch):
    """Runs on what goes by the name cifar10, and the experiment."""
    content = experiment_of((1,)).model_dump(mode="json")
    monkeypatch.setitem(DATASETS, "cifar10", 32)
    content["datasets"] = {"cifar10": {"format": "cifar10", "source": "official", "resolution": 32}}
    experiment = checked(Experiment, content)
    for variant in experiment.variants:
        make_run(tmp_path / "synthetic", "cifar10", variant, 1)
    return experiment, tmp_path


def test_scores_by_another_extractor_stand_beside_no_published_number(official):
    experiment, folder = official
    with undrawn():
        write_report(experiment, load_runs(experiment, folder), folder / "report")
    page = (folder / "report/index.html").read_text()
    assert "Published numbers" in page and "None of our scores is comparable" in page
    assert "extractor: Inception, ours efficientnet_lite0" in page


def test_ours_stand_beside_numbers_of_their_name_and_method(official):
    experiment, folder = official
    value = random.Random(0).uniform(20, 30)
    for path in folder.rglob("score.json"):
        text = path.read_text().replace(FRECHET, "fid").replace('efficientnet_lite0"', 'inception"')
        score = json.loads(text)
        score["scores"]["fid"] = value
        write_json(path, score)
    with undrawn():
        write_report(experiment, load_runs(experiment, folder), folder / "report")
    page = (folder / "report/index.html").read_text()
    table = page[page.index('class="published"') : page.index("</table>", page.index('class="published"'))]
    rows = {row.partition("<")[0]: row for row in table.split('<th scope="row">')[1:]}
    assert f"wgan_gp {value:.4g}" in rows["WGAN-GP, CNN, flips"] and "best at 3:" in rows["WGAN-GP, CNN, flips"]
    assert f"wgan {value:.4g}" in rows["WGAN, CNN"] and "wgan" not in rows["SNGAN, CNN, flips"]
    assert "None of our scores is comparable" not in page and "images: 50,000, ours 32" in table
