"""MLflow as a researcher sees it: the page that `make ui` names, driven in a headless browser."""

import shutil

import pytest
from generators import LATENT
from playwright.sync_api import expect, sync_playwright
from tracking import Server, make_trained

from ganflow.reporting.publishing import publish
from ganflow.reporting.tracking_store import TrackingStore

CHROME = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROME is None, reason="neither chromium nor Chrome is installed")]
HOME = "/#/experiments/1/runs?workflowType=machine_learning"


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """(address of the server, the page that publishing names, runs) of a folder that moved since."""
    folder = tmp_path_factory.mktemp("mlflow") / "first"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        experiment, runs = make_trained(folder / "results")
        page = publish(experiment, runs, TrackingStore()).page
        patch.chdir(folder.rename(folder.with_name("moved")))
        server = Server()
        server.start()
    yield server.uri, page, runs
    server.kill()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        started = playwright.chromium.launch(executable_path=CHROME, args=options)
        yield started
        started.close()


@pytest.fixture
def page(browser, shown):
    opened = browser.new_page(viewport={"width": 1700, "height": 1000})
    opened.set_default_timeout(60_000)
    opened.add_init_script("localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')")
    yield opened
    opened.close()


def names(runs, dataset: str) -> list[str]:
    return [f"{run.variant} {run.seed} {run.dataset}" for run in runs if run.dataset == dataset]


def test_the_table_of_runs_has_a_run_for_each_dataset_and_its_trainings_below(page, shown):
    uri, _, runs = shown
    page.goto(uri + HOME)
    parent = page.get_by_role("link", name="rendered_objects", exact=True)
    parent.wait_for()
    children = names(runs, "rendered_objects")
    assert page.get_by_role("link", name=children[0]).count() == 0
    page.get_by_role("row").filter(has=parent).get_by_role("button").first.click()
    for name in children:
        page.get_by_role("link", name=name, exact=True).wait_for()
    page.get_by_role("button", name="Columns", exact=True).click()
    for column in ("variant", "training.iterations", "seed"):
        page.get_by_placeholder("Search columns").fill(column)
        page.get_by_text(column, exact=True).last.click()
    page.keyboard.press("Escape")
    table = page.get_by_role("grid").or_(page.get_by_role("treegrid"))
    for cell in ("wgan_gp", "6"):
        table.get_by_role("gridcell", name=cell, exact=True).first.wait_for()
    parent.click()
    page.get_by_text("held-out real samples").wait_for()
    assert page.get_by_text("0.0123").count() >= 2  # in the description and as a metric


def test_the_page_that_publishing_names_draws_curves_bars_and_images_by_step(page, shown):
    uri, address, runs = shown
    page.goto(uri + address)
    cards = page.get_by_test_id("experiment-view-compare-runs-card")
    cards.first.wait_for()
    page.get_by_placeholder("Search metric charts").fill("validation_critic_loss")
    curves = cards.filter(has_text="validation_critic_loss").first.locator(".scatterlayer path.js-line")
    expect(curves.nth(len(runs) - 1)).to_be_visible()
    page.get_by_placeholder("Search metric charts").fill("sliced_wasserstein")
    bars = cards.filter(has=page.get_by_text("sliced_wasserstein", exact=True)).locator(".barlayer .point")
    expect(bars).to_have_count(len(runs))
    page.get_by_placeholder("Search metric charts").fill("samples")
    cards.filter(has_text="samples").get_by_test_id("experiment-view-compare-runs-card-menu").click()
    page.get_by_role("menuitem", name="Configure").click()
    page.get_by_role("switch").click()  # Show run parameters
    page.get_by_role("button", name="Save changes").click()
    loaded = (
        "step => [...document.images].filter(i => i.src.includes(`step%2B${step}%2B`) && i.naturalWidth > 0).length"
    )
    page.wait_for_function(f"({loaded})(0) == {len(runs)}")
    for _ in range(2):  # by 0, 3 and 6
        page.get_by_role("slider").press("ArrowRight")
    page.wait_for_function(f"({loaded})(6) == {len(runs)}")


def test_runs_are_compared_by_table_parallel_coordinates_and_curves(page, shown):
    uri, address, runs = shown
    chosen = names(runs, "rendered_objects")
    page.goto(uri + address.replace("CHART", "TABLE"))
    for name in chosen:
        row_id = page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))
        row_id.get_by_role("checkbox").check()
    page.get_by_role("button", name="Compare").click()
    page.get_by_text(f"Comparing {len(chosen)} Runs from 1 Experiment").wait_for()
    plot = page.locator(".js-plotly-plot .parcoords")
    plot.first.wait_for()
    assert page.locator(".js-plotly-plot canvas").first.bounding_box()["width"] > 100
    assert plot.get_by_text("wgan_gp").count() == 1
    for name in chosen:
        page.get_by_text(name, exact=True).first.wait_for()
    for run in runs:
        if run.dataset == "rendered_objects":
            shown_score = f"{run.score['scores']['sliced_wasserstein']:.3f}".rstrip("0")
            page.get_by_text(shown_score).first.wait_for()
    page.get_by_role("link", name="critic_loss").first.click()
    page.locator(".js-plotly-plot path.js-line").nth(len(chosen) - 1).wait_for()


def test_a_generator_is_shown_with_its_score_and_its_signature(page, shown):
    uri, _, runs = shown
    page.goto(f"{uri}/#/experiments/1/models?workflowType=machine_learning")
    page.get_by_role("link", name="wgan-1-rendered_objects").first.click()
    page.get_by_text("Ready").first.wait_for()
    page.get_by_text("sliced_wasserstein").first.wait_for()
    page.get_by_text("Artifacts", exact=True).click()
    page.get_by_text("MLmodel", exact=True).click()
    text = page.locator(".text-area-border-box, pre").filter(has_text="signature")
    expect(text.first).to_contain_text(f'"tensor-spec": {{"dtype": "float32", "shape": [-1, {LATENT}]}}')
