"""The report's page in a browser without a network: what a reader does with a mouse, a thumb or the keyboard."""

import csv
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from dvc_render import ImageRenderer, VegaRenderer, render_html
from repository import TOP
from synthetic_runs import VARIANTS, experiment_of

from ganflow.reporting.captions import CAPTIONS
from ganflow.reporting.page import write_report
from ganflow.reporting.runs import load_runs
from ganflow.studies.cases.parallel_lines import ParallelLines

CHROMIUM = shutil.which("chromium")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH")]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SMALLEST = """() => Math.min(...[...document.querySelectorAll("body *")]
  .filter(e => e.checkVisibility() && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
  .filter(e => !["SCRIPT", "STYLE", "NOSCRIPT"].includes(e.tagName))
  .map(e => parseFloat(getComputedStyle(e).fontSize)))"""
CONTRAST = """selector => {
  const light = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const element = document.querySelector(selector), style = getComputedStyle(element);
  const [one, two] = [style[element instanceof SVGElement ? (style.fill === "none" ? "stroke" : "fill") : "color"],
    getComputedStyle(document.body).backgroundColor].map(light);
  return (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
}"""  # noqa: E501


@pytest.fixture(scope="session")
def report(synthetic: Path) -> Path:
    return synthetic / "report/index.html"


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, report):
    """Opens a page; at the end, nothing but its own files was fetched and nothing was complained about."""
    contexts, complaints, requests, allowed = [], [], [], set()

    def open_page(width: int = 1280, place: Path = report, fetches: Iterable[str] = (), **settings):
        height = 844 if width < 500 else 900
        context = browser.new_context(viewport={"width": width, "height": height}, offline=True, **settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        allowed.update(fetches, [place.as_uri()])
        page.goto(place.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert {url for url in requests if not url.startswith("data:")} == allowed


def shown(page) -> list[tuple[str, str, str]]:
    """(words, picture, iteration said) of every variant in the first viewer."""
    figures = page.locator(".viewer").first.locator("figure").all()
    pictures = [figure.locator("img:visible") for figure in figures]
    return [
        (picture.get_attribute("alt"), picture.get_attribute("src"), figure.locator(".at").inner_text())
        for figure, picture in zip(figures, pictures, strict=True)
    ]


def axis(chart) -> list[float]:
    return [float(text.replace(",", "")) for text in chart.locator(".tick-x").all_text_contents()]


def drag(page, chart, start: float, end: float) -> None:
    """Drags over shares of the chart's width."""
    chart.scroll_into_view_if_needed()
    box = chart.locator("svg").first.bounding_box()
    page.mouse.move(box["x"] + start * box["width"], box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], box["y"] + 90, steps=4)
    page.mouse.up()


def test_one_slider_moves_all_variants_and_the_seed_can_be_chosen(opened):
    page = opened()
    slider = page.locator(".viewer").first.get_by_role("slider")
    last = shown(page)
    assert [said for *_, said in last] == ["iteration 6 of 6"] * len(VARIANTS)
    slider.fill("50")
    middle = shown(page)
    assert [said for *_, said in middle] == ["iteration 3 of 6"] * len(VARIANTS)
    assert all(one[1] != other[1] for one, other in zip(last, middle, strict=True))
    slider.press("Home")
    assert all("iteration 0" in words for words, *_ in shown(page))
    page.locator(".viewer").first.get_by_label("seed").select_option("2")
    assert all("seed 2" in words for words, *_ in shown(page))
    page.get_by_role("button", name="Play").first.click()
    page.wait_for_function("document.querySelector('.viewer input').value === '100'", timeout=15_000)
    assert [said for *_, said in shown(page)] == ["iteration 6 of 6"] * len(VARIANTS)


def test_a_picture_enlarges_by_the_keyboard(opened):
    page = opened()
    button = page.get_by_role("button", name="Enlarge the samples of wgan_gp").first
    before = button.bounding_box()["width"]
    button.press("Enter")
    assert button.get_attribute("aria-expanded") == "true" and button.bounding_box()["width"] > 1.5 * before
    button.press("Enter")
    assert button.bounding_box()["width"] == before


def test_a_chart_zooms_reads_and_hides(opened):
    page = opened()
    chart = page.locator(".charts > section", has_text="minimised").first
    full = axis(chart)
    assert full[0] <= 2 and full[-1] == 6
    drag(page, chart, 0.02, 0.62)
    zoomed = axis(chart)
    assert zoomed[-1] < 6 and zoomed != full
    chart.locator("svg").first.dblclick()
    assert axis(chart) == full
    drag(page, chart, 0.02, 0.62)
    chart.get_by_role("button", name="Zoom out").click()
    assert axis(chart) == full

    chart.locator("svg").first.press("ArrowRight")
    assert chart.locator(".at").inner_text() == "iteration 2"
    assert all(re.fullmatch(r"−?[\d.]+", text) for text in chart.locator(".legend b").all_inner_texts())
    chart.locator("svg").first.press("+")
    assert axis(chart)[-1] < 6
    chart.locator("svg").first.press("Escape")
    assert axis(chart) == full

    heights = chart.locator(".tick-y").all_text_contents()
    chart.get_by_role("button", name="held-out data").click()
    assert chart.locator("path.line").count() == 1 and chart.locator("path.dotted").count() == 0
    chart.get_by_role("button", name="training data").click()
    assert chart.locator("path.line").count() == 0
    for name in ("held-out data", "training data"):
        chart.get_by_role("button", name=name).click()
    assert chart.locator(".tick-y").all_text_contents() == heights


def test_a_digest_leads_to_its_run(opened):
    page = opened()
    link = page.locator(".digests a").first
    link.click()
    run = page.locator(link.get_attribute("href"))
    assert run.is_visible() and link.get_attribute("title").split()[-1] in run.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it_in_both_colour_schemes(opened, scheme):
    page = opened(390, color_scheme=scheme, has_touch=True, is_mobile=True, device_scale_factor=2)
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert page.evaluate(SMALLEST) >= 11
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) > 600) == (scheme == "light")
    for selector in ("h1", ".note", ".digests a", ".scores th small", ".tick-y", ".beyond", ".failed"):
        assert page.evaluate(CONTRAST, selector) >= 4.5, selector
    for line in range(3):
        assert page.evaluate(CONTRAST, f"path.line.c{line}") >= 3
    boxes = [chart.bounding_box() for chart in page.locator(".charts > section").all()[:3]]
    assert len({box["x"] for box in boxes}) == 1 and all(box["width"] > 340 for box in boxes)

    chart = page.locator(".charts svg").first
    chart.tap(position={"x": 180, "y": 80})
    assert page.locator(".charts .at").first.inner_text().startswith("iteration")
    slider = page.locator(".viewer").first.get_by_role("slider")
    slider.scroll_into_view_if_needed()
    assert slider.bounding_box()["height"] >= 40 and slider.bounding_box()["width"] >= 200


def test_a_wide_table_scrolls_inside_its_box_beside_the_names_of_its_rows(opened):
    page = opened(390, has_touch=True, is_mobile=True)
    box = page.get_by_role("region", name="Scores on rendered_objects")
    assert box.evaluate("box => box.scrollWidth > box.clientWidth + 100")
    head = box.locator("tbody th").first
    before = head.bounding_box()["x"]
    box.evaluate("box => box.scrollLeft = 120")
    assert head.bounding_box()["x"] == before
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


def test_without_a_script_the_last_samples_and_the_figures_are_there(opened):
    page = opened(java_script_enabled=False)
    assert [said for *_, said in shown(page)] == ["iteration 6 of 6"] * len(VARIANTS)
    static = page.locator("img.static")
    assert static.count() == 2 * (3 + len(VARIANTS)) and all(
        image.bounding_box()["height"] > 100 for image in static.all()
    )
    assert not page.locator(".controls").first.is_visible() and page.locator(".scores").first.is_visible()


def test_the_page_of_dvc_plots_shows_figures_and_curves_without_a_network(opened, report, tmp_path):
    figures = sorted((report.parent / "figures").glob("*.png"))
    curves = sorted((report.parent / "curves").glob("*.csv"))
    properties = {"x": "iteration", "y": "validation_critic_loss", "y_label": "loss", "template": "runs"}
    renderers = [
        ImageRenderer([{"rev": "workspace", "src": str(figure)}], f"report/figures/{figure.name}") for figure in figures
    ]
    for curve in curves:
        name, rows = f"report/curves/{curve.name}", list(csv.DictReader(curve.open()))
        rows = [row | {"rev": revision} for revision in ("HEAD", "workspace") for row in rows]
        renderers.append(VegaRenderer(rows, name, **properties, title=name, template_dir=str(TOP / ".dvc/plots")))
    shown = render_html(renderers, tmp_path / "plots/index.html", TOP / ".dvc/plots.html")
    page = opened(place=shown, fetches={figure.as_uri() for figure in figures})
    assert page.locator("h2").all_inner_texts() == ["rendered_bedrooms", "rendered_objects"]
    assert (
        page.locator("h3").all_inner_texts() == ["curves", "estimates", "losses", "neighbours", "samples", "scores"] * 2
    )
    assert page.locator("svg").count() == 2 * 2 * len(VARIANTS) and page.locator("path").count() == 2 * 4 * len(
        VARIANTS
    )
    assert CAPTIONS["estimates"] in page.inner_text("body")
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 100)")


@pytest.mark.parametrize(
    "values", [(0.1, 0.2), (-12345.6789, -12345.6781), (1.0e-9, -3.0e-9), (2.0e12, 3.0e12), (5.0, 5.0)]
)
def test_the_labels_of_dvc_plots_are_inside_their_charts(values, opened, tmp_path):
    rows = [
        {"run": "gan 0", "rev": "workspace", "iteration": at, "held_out_loss": v}
        for at, v in zip((1, 200000), values, strict=True)
    ]
    properties = {"x": "iteration", "y": "held_out_loss", "template": "runs", "template_dir": str(TOP / ".dvc/plots")}
    curve = VegaRenderer(rows, "report/curves/ring.csv", title="report/curves/ring.csv", **properties)
    page = opened(place=render_html([curve], tmp_path / "plots/index.html", TOP / ".dvc/plots.html"))
    boxes = page.evaluate(
        "[...document.querySelectorAll('svg text')].map(t => { const b = t.getBBox(); return [b.x, b.x + b.width]; })"
    )
    assert len(boxes) == 8 and all(left >= -0.5 and right <= 360.5 for left, right in boxes), boxes


@pytest.fixture(scope="module")
def teaching(synthetic: Path, tmp_path_factory) -> Path:
    """The report of the same runs with the smallest study of distances, and so with a lesson."""
    experiment, findings = experiment_of((1, 2)), ParallelLines(places=3, steps=2, points=8).run().as_json()
    folder = tmp_path_factory.mktemp("teaching")
    write_report(experiment, load_runs(experiment, synthetic), folder, {"parallel_lines": findings})
    return folder / "index.html"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")])
def test_the_first_screen_is_a_lesson_that_fits(opened, teaching, width, scheme):
    page = opened(width, teaching, color_scheme=scheme)
    card = page.locator(".lessons article").first
    box, picture = card.bounding_box(), card.locator("img").bounding_box()
    assert box["y"] < 200 and box["x"] >= 0 and box["x"] + box["width"] <= width
    assert box["x"] < picture["x"] and picture["x"] + picture["width"] < box["x"] + box["width"]
    assert box["y"] + box["height"] <= page.locator("nav").bounding_box()["y"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST, ".lessons p") >= 4.5 and page.evaluate(CONTRAST, ".lessons .failed") >= 4.5


def test_printed_charts_are_whole_and_what_needs_a_screen_is_gone(opened, teaching):
    page = opened(1280, teaching)
    page.locator(".charts svg text").first.wait_for()
    narrower = """() => [...document.querySelectorAll(".charts section > svg")].flatMap(svg => {
        svg.style.width = "250px"; // as on paper, where no script draws again
        const frame = svg.getBoundingClientRect();
        return [...svg.querySelectorAll("text")].map(text => text.getBoundingClientRect())
            .filter(box => box.left < frame.left - 1 || box.right > frame.right + 1); })"""
    outside = page.evaluate(narrower)
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size({"width": 700, "height": 990})
    assert outside == [] and not page.locator("nav").is_visible() and not page.locator(".controls").first.is_visible()
    assert page.evaluate(CONTRAST, "p.note") >= 7
    wide = page.evaluate("Math.max(...[...document.querySelectorAll('table')].map(table => table.scrollWidth))")
    assert wide <= 700
    assert page.pdf(format="A4").startswith(b"%PDF")
