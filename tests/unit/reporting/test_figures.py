"""Every figure: all text inside the canvas, no text on other text, and no legend on data."""

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from synthetic_points import point_runs
from synthetic_runs import experiment_of, make_runs

from ganflow.reporting.charts import Plot, Series, charts
from ganflow.reporting.figures import image_figure, plot_figure, progression_figure
from ganflow.reporting.layout import fit
from ganflow.reporting.points import point_figures
from ganflow.reporting.runs import load_runs
from ganflow.reporting.study_figures import study_figure
from ganflow.studies.interfaces import Findings, Panel, line

LONG = "Wasserstein estimates over the largest gradient norms measured between real and generated images"
CLIPPED = {"clip_0_1": 0.1, "clip_0_01": 0.01, "clip_0_001": 0.001, "gradient_penalty": None}
MANY = {f"a_variant_with_a_long_name_{number}": (0.1, None)[number % 2] for number in range(6)}
FEW_PIXELS = 1.0


@pytest.fixture
def drawn(monkeypatch) -> list[Figure]:
    """The figures that are written from here on."""
    figures: list[Figure] = []
    write = FigureCanvasAgg.print_png

    def kept(canvas: FigureCanvasAgg, *given, **named) -> None:
        write(canvas, *given, **named)
        figures.append(canvas.figure)

    monkeypatch.setattr(FigureCanvasAgg, "print_png", kept)
    return figures


def visible_labels(axis: Axis) -> Iterator[Bbox]:
    """The boxes of the tick labels that are drawn, in order."""
    low, high = sorted(axis.get_view_interval())
    for place, label in zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True):
        if low <= place <= high and label.get_text():
            yield label.get_window_extent()


def overlap(one: Bbox, other: Bbox) -> bool:
    """Whether two boxes share more than a pixel in each direction."""
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return width > FEW_PIXELS and height > FEW_PIXELS


def boxes(axes: Axes) -> list[Bbox]:
    """The parts of axes that may collide: the axes themselves with their tick labels, titles, labels and legends."""
    titles = [axes.title, axes._left_title, axes._right_title, axes.xaxis.label, axes.yaxis.label]
    parts = [text.get_window_extent() for text in titles if text.get_text() and text.get_visible()]
    return parts + ([axes.get_legend().get_window_extent()] if axes.get_legend() else [])


def check(figure: Figure) -> None:
    """Asserts what holds for every figure."""
    canvas = figure.bbox.padded(FEW_PIXELS)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    for axes in shown:
        outer = axes.get_tightbbox()
        assert canvas.x0 <= outer.x0 and canvas.y0 <= outer.y0, (outer, canvas)
        assert outer.x1 <= canvas.x1 and outer.y1 <= canvas.y1, (outer, canvas)
        if legend := axes.get_legend():
            assert not overlap(legend.get_window_extent(), axes.bbox), "a legend lies on data"
        for one, other in combinations(boxes(axes), 2):
            assert not overlap(one, other), "text lies on text"
        if axes.axison:
            for axis in (axes.xaxis, axes.yaxis):
                for one, other in pairwise(visible_labels(axis)):
                    assert not overlap(one, other), "tick labels collide"
    for one, other in combinations(shown, 2):
        if not np.allclose(one.bbox.bounds, other.bbox.bounds):  # twins share their place
            assert not overlap(one.get_tightbbox(), other.get_tightbbox()), "axes lie on axes"


def plots_of(count: int, scale: float) -> list[Plot]:
    """Plots with long titles, labels and names."""
    steps = np.arange(0, 200_001, 1000)
    series = [Series(name, place, False, steps, scale * np.sin(steps), None) for place, name in enumerate(MANY)]
    return [Plot(LONG, f"{LONG}\n(minimised)", 0.0, series[: 1 + place]) for place in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize(("count", "scale"), [(1, 1e9), (2, 1e-7), (5, 1.0)])
def test_text_of_plots_is_inside_and_apart(count, scale, drawn):
    plot_figure(plots_of(count, scale))
    [figure] = drawn
    check(figure)
    titles = [axes.get_title(loc="left").replace("\n", " ") for axes in figure.axes]
    assert titles == [LONG] * count  # wrapped, and nothing lost


@pytest.mark.slow
def test_text_of_a_reports_figures_is_inside_and_apart(drawn, tmp_path):
    experiment = experiment_of((1, 2))
    make_runs(tmp_path, experiment)
    runs = [run for run in load_runs(experiment, tmp_path) if run.dataset == "rendered_bedrooms"]
    progression_figure(runs)
    image_figure({f"{variant}, seed 1: first 1.00": np.zeros((40, 400, 3), np.uint8) for variant in MANY})
    for plots in charts(runs).values():
        plot_figure(plots)
    assert len(drawn) == 5
    for figure in drawn:
        check(figure)


@pytest.mark.slow
@pytest.mark.parametrize(("dimension", "variants"), [(1, CLIPPED), (1, {"gan": None}), (2, MANY), (2, CLIPPED)])
def test_text_of_figures_of_points_is_inside_and_apart(dimension, variants, drawn, tmp_path):
    point_figures(point_runs(tmp_path, variants, dimension))
    assert len(drawn) == 2
    for figure in drawn:
        check(figure)


@pytest.mark.slow
def test_weights_are_titled_with_the_variants_name_and_the_limit(drawn, tmp_path):
    point_figures(point_runs(tmp_path, CLIPPED, 2))
    titles = [axes.get_title(loc="left") for axes in drawn[-1].axes[1:]]
    assert [title.replace("\n", " ") for title in titles] == [
        "clip_0_1: c = 0.1",
        "clip_0_01: c = 0.01",
        "clip_0_001: c = 0.001",
        "gradient_penalty",
    ]


def curved(style: str) -> Findings:
    """Findings that fill their axes, so that there is no room for a legend in them."""
    x = np.geomspace(1e-12, 1e6, 200)
    lines = tuple(line(f"{name}: {LONG}", x, x**power, power, style) for power, name in enumerate(MANY, -2))
    return Findings("A caption.", (Panel(LONG, LONG, LONG, lines, True, True), Panel("y", "x", "y", lines)), {})


@pytest.mark.slow
@pytest.mark.parametrize("style", ["line", "area"])
def test_text_of_studies_is_inside_and_apart(style, drawn):
    study_figure(curved(style).as_json())
    check(drawn[0])


def test_a_line_without_a_label_is_not_in_the_legend(drawn):
    lines = (line("games", [0, 1], [0, 1], 0), line("", [0, 1], [1, 0], 0))
    study_figure(Findings("A caption.", (Panel("t", "x", "y", lines),)).as_json())
    assert [text.get_text() for text in drawn[0].axes[0].get_legend().get_texts()] == ["games"]


@pytest.mark.parametrize("title", ["", "A title"])
def test_a_figure_grows_by_its_text_alone(title):
    """Axes that end where the canvas did keep their height, with a title or without."""
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left")
    figure.draw_without_rendering()
    fit(figure)
    figure.draw_without_rendering()
    height = axes.bbox.height / figure.dpi
    bare = Figure(figsize=(4, 4), layout="constrained")
    other = bare.add_subplot()
    bare.draw_without_rendering()
    assert height == pytest.approx(other.bbox.height / bare.dpi, abs=0.02)
    assert figure.get_figheight() == pytest.approx(4, abs=0.01) if not title else figure.get_figheight() > 4.1
