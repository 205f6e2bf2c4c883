"""A variant is called the best only where that holds beyond the spread over seeds, and within the scale."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from plain_reports import undrawn
from scipy.stats import t
from synthetic_runs import FRECHET, PRECISION, experiment_of, make_runs

from ganflow.reporting.claims import QUANTILES, claims_of, interval, sentences
from ganflow.reporting.mlflow_dataset import _table
from ganflow.reporting.page import write_report
from ganflow.reporting.publishing import ExperimentView
from ganflow.reporting.runs import RunRecord, load_runs
from ganflow.reporting.tables import Cell, scale, score_tables
from ganflow.stages import compare

SEEDS = (1, 2, 3)
APART = {"dcgan": (20.0, 21.0, 22.0), "wgan": (50.0, 52.0, 54.0), "wgan_gp": (60.0, 61.0, 62.0)}
NEAR = APART | {"wgan": (21.5, 23.0, 24.0)}
WHOLE = {"dcgan": (0.0,) * 3, "wgan": (2.0,) * 3, "wgan_gp": (3.0,) * 3}  # as counts are
SCALE = {"held_out": 5.0, "blurred": 40.0, "noisy": 30.0}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[RunRecord]:
    folder, experiment = tmp_path_factory.mktemp("claims"), experiment_of(SEEDS)
    make_runs(folder, experiment)
    return [run for run in load_runs(experiment, folder) if run.dataset == "rendered_objects"]


def scored(runs, values, better="lower", real=SCALE, flags=(), continuous=True) -> list[RunRecord]:
    """The runs with one score."""
    made = []
    for run in runs:
        about = {
            "scores": {FRECHET: values[run.variant][run.seed - 1]},
            "better": {FRECHET: better},
            "order": [FRECHET],
            "best": None,
            "checks": {name: {"samples": 40, "scores": {FRECHET: value}} for name, value in real.items()},
            "flags": list(flags),
            "continuous": [FRECHET] if continuous else [],
        }
        made.append(replace(run, score=run.score | about))
    return made


def claim_of(runs, *args, **kwargs):
    [table] = score_tables(scored(runs, *args, **kwargs))
    [found] = claims_of(table)
    return found


@pytest.mark.parametrize("seeds", [3, 4, 11, 40])
def test_the_interval_is_students(seeds):
    values = np.random.default_rng(0).normal(5, 2, seeds).tolist()
    low, high = interval(Cell.of(values))
    expected = t.interval(0.95, min(seeds - 1, 10), np.mean(values), np.std(values, ddof=1) / seeds**0.5)
    assert (low, high) == pytest.approx(expected, rel=1e-3)
    assert pytest.approx(QUANTILES, abs=5e-4) == t.ppf(0.975, range(2, 11))


def test_three_seeds_apart_and_within_the_scale_make_a_claim(runs):
    found = claim_of(runs, APART)
    assert found.best.variant == "dcgan" and found.doubts == ()
    assert sentences([found]) == [
        "Lowest Fréchet distance by efficientnet_lite0: dcgan (95 % interval 18.52 to 23.48, 3 seeds)."
    ]
    upside_down = {"held_out": 90.0, "blurred": 55.0, "noisy": 50.0}
    assert claim_of(runs, APART, better="higher", real=upside_down).best.variant == "wgan_gp"


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [
        ({"values": NEAR}, "not apart"),
        ({"real": {"held_out": 5.0, "blurred": 15.0, "noisy": 21.0}}, "worst of the degraded"),
        ({"real": {"held_out": 5.0, "blurred": 1.0, "noisy": 21.0}}, "worst of the degraded"),
        ({"flags": [f"{FRECHET}: blurred held-out samples score less"]}, "a self-check of the score failed"),
        ({"values": WHOLE, "continuous": False}, "not apart"),
    ],
    ids=["overlap", "at the worst", "one degradation is rated better", "flagged", "no spread"],
)
def test_otherwise_no_order_is_claimed_and_the_reason_is_given(runs, changes, doubt):
    found = claim_of(runs, **({"values": APART} | changes))
    assert found.best is None and len(found.doubts) == 1 and doubt in found.doubts[0]
    assert sentences([found]) == [f"No order can be claimed by any score: {found.doubts[0]}."]


def test_a_score_that_two_runs_share_to_the_last_bit_is_flagged_and_orders_nothing(runs):
    alike = APART | {"wgan": (50.0, 17.277970581499673, 54.0), "wgan_gp": (17.277970581499673, 61.0, 62.0)}
    [table] = score_tables(scored(runs, alike))
    [flag] = table.flags
    assert flag.startswith(f"{FRECHET}: wgan 2 and wgan_gp 1 score exactly 17.277970581499673 each")
    assert "a self-check of the score failed" in claims_of(table)[0].doubts
    assert score_tables(scored(runs, WHOLE, continuous=False))[0].flags == []  # counts may be equal


def test_a_flag_of_features_holds_for_the_scores_that_compare_them(runs):
    said = "features by efficientnet_lite0, rendered_objects dcgan 1, final weights: of 32 of 32 samples ..."
    made = [replace(run, score=run.score | {"flags": [said]}) for run in runs]
    [table] = score_tables(made)
    assert {score.name: table.flagged(score) for score in table.scores} == {
        "sliced_wasserstein": False,
        FRECHET: True,
        PRECISION: True,
    }


@pytest.mark.parametrize(("seeds", "said"), [((1,), "with one seed the spread"), ((1, 2), "with 2 seeds the spread")])
def test_fewer_than_three_seeds_order_nothing_however_far_apart(runs, seeds, said):
    found = claim_of([run for run in runs if run.seed in seeds], APART)
    assert found.best is None and said in found.doubts[0]
    lacking = [run for run in runs if run.variant != "wgan" or run.seed == 1]
    assert claim_of(lacking, APART).best is None


def test_one_variant_is_not_the_best_of_anything(runs):
    assert "there is one variant" in claim_of([run for run in runs if run.variant == "wgan"], APART).doubts


def test_variants_that_translate_different_things_have_no_order(runs):
    """An error of day rooms at night is another one than that of rooms from their edges."""
    day = {"source": "samples", "target": "counterpart", "where": {"time": "day"}}
    edges = {"source": "edges", "target": "samples", "where": {}}

    def claimed(**translations):
        made = [
            replace(
                run, score=run.score | {"protocol": run.score["protocol"] | {"translation": translations[run.variant]}}
            )
            for run in scored(runs, APART)
        ]
        [table] = score_tables(made)
        [found] = claims_of(table)
        return table, found

    _, alike = claimed(dcgan=day, wgan=day, wgan_gp=day)
    assert alike.best and alike.best.variant == "dcgan"
    table, apart = claimed(dcgan=day, wgan=edges, wgan_gp=None)
    assert apart.best is None and apart.doubts == ("the variants are given different things to make images of",)
    images = runs[0].score["protocol"]["images"]
    assert [row.translated for row in table.rows] == [
        f"{images} translations of held-out images with time day",
        f"{images} translations of the edges of held-out images",
        "",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("values", "claimed"), [(APART, True), (NEAR, False)])
def test_the_page_and_mlflow_say_what_may_be_claimed(runs, values, claimed, tmp_path):
    made = scored(runs, values)
    experiment = experiment_of(SEEDS)
    objects = {"rendered_objects": experiment.datasets["rendered_objects"]}
    with undrawn():
        write_report(experiment.model_copy(update={"datasets": objects}), made, tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert page.count('<b class="mark">best</b>') == page.count('class="best"') == claimed
    head = page[: page.index("<main>")]
    assert ("<b>dcgan</b> on rendered_objects (21.00 ± 1.0; 95 % interval 18.52 to 23.48" in head) == claimed
    assert ("No order of the variants by Fréchet distance" in head) != claimed
    assert page.count("beyond the scale</small>") == (2 if claimed else 1)
    note = _table(made, scale(made[0].score["checks"]))
    assert ("Lowest Fréchet distance by efficientnet_lite0: dcgan" in note) == claimed
    assert ("No order can be claimed by any score" in note) != claimed and "21.00 ± 1.0" in note


def test_mlflow_lists_runs_by_variant_and_not_by_a_score():
    view = object.__new__(ExperimentView)
    view.home = "1"
    assert "orderByKey=params.%60variant%60" in view.page() and "metrics" not in view.page()


def test_compare_says_that_two_runs_have_no_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    experiment = experiment_of((1,))
    make_runs(Path("results"), experiment)
    compare.run(experiment, "rendered_objects/dcgan", "rendered_objects/wgan_gp")
    assert "No order can be claimed by any score: with one seed" in capsys.readouterr().out
    compare.run(experiment, "rendered_objects/dcgan", "rendered_bedrooms/dcgan")
    assert "No order" not in capsys.readouterr().out  # not even comparable
