"""The lessons at the top of the report: the runs that they compare, what counts as shown, and measured numbers."""

import io
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from plain_reports import undrawn
from synthetic_points import point_run
from synthetic_runs import FRECHET, experiment_of, make_runs

from ganflow.reporting.lessons import clipping, collapse, distances, estimates, lessons_of
from ganflow.reporting.lessons.interfaces import Lesson
from ganflow.reporting.page import write_report
from ganflow.reporting.runs import RunRecord, load_runs

DUPLICATES = "near_duplicates_efficientnet_lite0"
COMPONENTS = {
    "gan": ("non_saturating", "none", "adam"),
    "wgan": ("wasserstein", "weight_clipping", "rmsprop"),
    "wgan_gp": ("wasserstein", "gradient_penalty", "adam"),
}
ESTIMATE = {"figure": "estimates", "column": "validation_estimate", "axis": "a", "title": "t", "label": "formula"}


def settings_of(variant: str, **changes) -> dict:
    objective, constraint, optimizer = COMPONENTS[variant]
    limit = {"limit": 0.1} if constraint == "weight_clipping" else {}
    return {
        "network": {"name": "toy_mlp", "settings": {"width": 128}},
        "objective": {"name": objective, "settings": {}},
        "constraint": {"name": constraint, "settings": limit},
        "optimizer": {"name": optimizer, "settings": {}},
    } | changes


def run_of(folder: Path, variant: str, seed: int, **scores: float) -> RunRecord:
    """A run on points with scores, with a curve in which score and estimate fall together."""
    made = point_run(folder / variant / str(seed), variant, 0.1 if variant == "wgan" else None, 2)
    chart = ESTIMATE | {"level": None, "series": "", "dotted": False}
    parameters = {"training": {"iterations": 3000, "grid": 32}, "optimizers": {}, "optimizer": {"name": "adam"}}
    manifest = {"settings": settings_of(variant), "parameters": parameters, "charts": [chart]}
    score = {
        "scores": {"exact_em": 0.1, "missed_modes": 0.0} | scores,
        "better": {"exact_em": "lower", "missed_modes": "lower", DUPLICATES: "lower"},
        "order": ["exact_em", "missed_modes"],
        "compares": {},
        "checks": {"held_out": {"scores": {"exact_em": 0.02, DUPLICATES: 0.01}}},
        "protocol": {"weights": "raw", "extractor": None, "best": "lowest exact_em"},
    }
    places = np.arange(100.0, 900.0, 100.0)
    journal = {"iteration": places, "validation_estimate": 1 / places}
    curve = {"iteration": places, "exact_em": 1000 - places}
    return replace(made, seed=seed, manifest=manifest, score=score, journal=journal, curve=curve)


@pytest.fixture(autouse=True)
def plain(request):
    """Empty pictures, but in the test of what is drawn."""
    with nullcontext() if request.function is test_every_picture_of_a_lesson_is_drawn else undrawn():
        yield


@pytest.fixture
def made(tmp_path):
    """make(variant=[scores of each seed], ...): their runs."""

    def make(**variants: list[dict[str, float]]) -> list[RunRecord]:
        return [run_of(tmp_path, name, at, **s) for name, seeds in variants.items() for at, s in enumerate(seeds)]

    return make


def modes(*missed: float) -> list[dict[str, float]]:
    return [{"missed_modes": value} for value in missed]


def test_lost_modes_must_be_lost_in_every_seed(made):
    shown = collapse.lesson(made(gan=modes(7, 9), wgan_gp=modes(0, 1)))
    assert shown and shown.shown and "misses 7 to 9 modes, wgan_gp 0 to 1" in shown.sentence
    assert "in each of 2 seeds" in shown.sentence
    once = collapse.lesson(made(gan=modes(7, 1), wgan_gp=modes(0, 1)))
    assert once and not once.shown


@pytest.mark.parametrize(("gan", "other", "shown"), [(0.5, 0.04, True), (0.5, 0.06, False), (0.09, 0.0, False)])
def test_near_duplicates_are_ten_times_those_of_the_other_and_of_real_images(made, gan, other, shown):
    runs = made(gan=[{DUPLICATES: gan}], wgan_gp=[{DUPLICATES: other}])
    images = [replace(run, score=run.score | {"order": [DUPLICATES]}) for run in runs]
    found = collapse.lesson(images)
    assert (
        found
        and found.shown == shown
        and f"{gan:.1%} of gan's" in found.sentence
        and "1.0% of held-out" in found.sentence
    )


@pytest.mark.parametrize("changed", ["network", "optimizer", "training"])
def test_variants_that_differ_in_more_than_the_loss_are_not_compared(made, changed):
    gan, other = made(gan=modes(7), wgan_gp=modes(0))
    if changed == "training":
        manifest = other.manifest | {"parameters": other.manifest["parameters"] | {"training": {"iterations": 9}}}
    else:
        manifest = other.manifest | {"settings": settings_of("wgan_gp", **{changed: {"name": "other", "settings": {}}})}
    runs = [gan, replace(other, manifest=manifest)]
    assert collapse.lesson(runs) is None and estimates.lesson(runs) is None


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["lower", "higher"])
def test_the_estimate_that_follows_the_score_is_told_from_one_that_does_not(made, direction):
    gan, other = made(gan=modes(0), wgan_gp=modes(0))
    rising = gan.journal | {"validation_estimate": gan.journal["iteration"]}
    sign = 1 if direction == "lower" else -1
    turned = [
        replace(
            run,
            curve={"iteration": run.curve["iteration"], "exact_em": sign * run.curve["exact_em"]},
            score=run.score | {"better": {"exact_em": direction}},
        )
        for run in (replace(gan, journal=rising), other)
    ]
    found = estimates.lesson(turned)
    assert found and found.shown and "8 snapshots: 1.00, and -1.00 for the GAN (one training of each)" in found.sentence
    assert "wgan_gp's estimate 0.0100 to 0.00125, its exact EM" in found.sentence
    same = estimates.lesson([gan, other])
    assert same and not same.shown


def test_snapshots_without_a_journal_row_and_too_few_of_them_are_left_out(made):
    runs = made(gan=modes(0), wgan_gp=modes(0))
    few = [replace(run, curve={key: values[:3] for key, values in run.curve.items()}) for run in runs]
    assert estimates.lesson(few) is None
    sparse = [replace(run, journal={key: values[::2] for key, values in run.journal.items()}) for run in runs]
    found = estimates.lesson(sparse)
    assert found and "over 4 snapshots" in found.sentence


def test_an_estimate_is_the_median_of_the_readings_around_its_snapshot(made):
    gan, other = made(gan=modes(0), wgan_gp=modes(0))
    places = np.arange(25.0, 801.0, 25.0)
    wrong = np.isin(places, other.curve["iteration"])  # a reading in four, that at the snapshot itself
    noisy = np.where(wrong, -1e6 / places, 1e6 / places)
    runs = [replace(run, journal={"iteration": places, "validation_estimate": noisy}) for run in (gan, other)]
    turned = replace(runs[0], journal=runs[0].journal | {"validation_estimate": -noisy})
    found = estimates.lesson([turned, runs[1]])
    assert found and found.shown and "estimate is the median of up to 5 readings" in found.sentence
    first, last = (np.median(noisy[around]) for around in (abs(places - 100) <= 50, places >= 750))
    assert f"wgan_gp's estimate {first:,.0f} to {last:,.0f}, its exact EM" in found.sentence


@pytest.mark.parametrize("ties", [False, True])
def test_the_rank_correlation_is_scipys(ties):
    from scipy.stats import spearmanr

    draw = np.random.default_rng(0)
    one, other = (draw.integers(0, 5, 40).astype(float) if ties else draw.normal(size=40) for _ in range(2))
    assert estimates.correlation(one, other) == pytest.approx(spearmanr(one, other).statistic, abs=1e-12)
    assert estimates.correlation(one, np.ones(40)) == 0.0


@pytest.mark.parametrize(("clipped", "other", "shown"), [(0.3, 0.6, True), (0.6, 0.3, False)])
def test_a_clipped_critic_has_its_weights_at_the_limit_and_is_slower(made, clipped, other, shown):
    runs = made(wgan=[{"high_quality_samples": clipped}], wgan_gp=[{"high_quality_samples": other}])
    found = clipping.lesson(runs)
    assert found and found.shown == shown and f"{clipped:.0%} of wgan's points" in found.sentence
    assert "100% of its critic's weights are at the limit, 1% of the other's" in found.sentence


def test_the_share_at_the_limit_counts_both_signs():
    assert clipping.at_limit(np.array([0.1, -0.1, 0.0995, 0.05, 0.0])) == pytest.approx(0.6)


@pytest.mark.parametrize(("error", "divergence", "shown"), [(0.02, 0.69, True), (0.2, 0.69, False), (0.02, 0.5, False)])
def test_distances_are_shown_by_what_trained_critics_find(error, divergence, shown):
    panel = {"title": "t", "x": "x", "y": "y", "lines": [], "log_x": False, "log_y": False}
    numbers = {"mean_error_of_critic": error, "smallest_js_estimate_off_zero": divergence}
    found = distances.lesson({"parallel_lines": {"caption": "c", "panels": [panel], "numbers": numbers}})
    assert found and found.shown == shown and f"{error:.3f}" in found.sentence and f"{divergence:.3f}" in found.sentence


def test_points_on_a_line_are_shown_as_they_are_stored(made, tmp_path):
    runs = []
    for run in made(gan=modes(3), wgan=modes(0), wgan_gp=modes(0)):
        line = point_run(tmp_path / "line" / run.variant, run.variant, 0.1 if run.variant == "wgan" else None, 1)
        for _, picture in line.samples:
            Image.new("RGB", (256, 256), "white").save(picture)
        scores = run.score | {"scores": run.score["scores"] | {"high_quality_samples": 0.5}}
        runs.append(replace(run, folder=line.folder, samples=line.samples, score=scores))
    for found in (collapse.lesson(runs), clipping.lesson(runs)):
        assert found and Image.open(io.BytesIO(found.pictures[0].png)).size == (512, 512)


@pytest.mark.slow
def test_every_picture_of_a_lesson_is_drawn(made):
    runs = made(**{name: [{"missed_modes": 9.0 * (name == "gan"), "high_quality_samples": 0.5}] for name in COMPONENTS})
    panel = {"title": "t", "x": "x", "y": "y", "lines": [], "log_x": False, "log_y": False}
    numbers = {"mean_error_of_critic": 0.02, "smallest_js_estimate_off_zero": 0.69}
    found = lessons_of(runs, {"parallel_lines": {"caption": "c", "panels": [panel], "numbers": numbers}})
    assert {lesson.name for lesson in found} == {"collapse", "estimates", "clipping", "distances"}
    for lesson in found:
        assert lesson.pictures and all(min(Image.open(io.BytesIO(one.png)).size) > 100 for one in lesson.pictures)


def test_a_method_without_an_estimate_teaches_nothing_of_it(made):
    gan, other = made(gan=modes(0), wgan_gp=modes(0))
    assert estimates.lesson([replace(gan, manifest=gan.manifest | {"charts": []}), other]) is None


def test_runs_without_pairs_teach_nothing(made):
    assert lessons_of(made(wgan_gp=modes(0)), {}) == []


@pytest.mark.slow
def test_the_page_says_first_what_the_runs_show_and_what_they_do_not(tmp_path, monkeypatch):
    experiment = experiment_of((1, 2))
    make_runs(tmp_path, experiment)
    file = io.BytesIO()
    Image.new("RGB", (9, 9)).save(file, "PNG")
    lessons = [
        Lesson(
            name,
            f"title <{name}>",
            name == "one",
            f"sentence of {name}",
            (collapse.Picture("p", "words", file.getvalue()),),
        )
        for name in ("one", "other")
    ]
    monkeypatch.setattr("ganflow.reporting.page.lessons_of", lambda runs, studies: lessons)
    write_report(experiment, load_runs(experiment, tmp_path), tmp_path / "report")
    text = (tmp_path / "report/index.html").read_text()
    one, other, first = (text.index(words) for words in ('id="lesson-one"', 'id="lesson-other"', "<nav>"))
    assert one < other < first and "title &lt;one&gt;" in text
    assert "do not show it" not in text[one:other] and "These runs do not show it." in text[other:first]
    assert (tmp_path / "report/figures/lesson_one_p.png").exists() and FRECHET in text
