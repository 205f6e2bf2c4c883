"""Fits the text of a figure to its canvas: titles and labels are wrapped to their axes, legends stand below them.

Without it, constrained layout cuts off a title that is wider than its axes, and a legend lies on the data.
"""

import textwrap

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import ScaledTranslation

ROOM = 3  # times the height, until it is known how much the text takes
GAP = 4.0  # points between the label of the horizontal axis and the legend


def fit(figure: Figure) -> None:
    """Wraps titles and labels that are longer than their axes, adds the legend of labelled artists below each, and
    makes the figure higher by what this takes, so that the axes keep their heights.

    Raises ValueError for a figure without a layout engine.
    """
    if (engine := figure.get_layout_engine()) is None:
        raise ValueError("the figure has no layout engine that could make room for its text")
    renderer = FigureCanvasAgg(figure).get_renderer()
    written = {text: text.get_text() for axes in figure.axes for text in _texts(axes)}
    for text in written:
        text.set_text("")
    engine.execute(figure)
    heights = {axes: _height(axes) for axes in figure.axes}
    figure.set_figheight(ROOM * figure.get_figheight())  # too small, constrained layout would give up
    for again in (False, True):  # lines of labels make axes narrower, so that titles may need another line
        before = [_broken(axes) for axes in figure.axes]
        for axes in figure.axes:
            title, across, up = _texts(axes)
            for text, room in ((title, axes.bbox.width), (across, axes.bbox.width), (up, heights[axes])):
                text.set_text(_wrapped(text, written[text], room, renderer))
            _legend_below(axes, renderer)
        if again and [_broken(axes) for axes in figure.axes] == before:
            break
        engine.execute(figure)
    lost = max(_rows(axes) * (height - _height(axes)) for axes, height in heights.items())
    figure.set_figheight(figure.get_figheight() + lost / figure.dpi)


def _height(axes: Axes) -> float:
    """The height of the place for axes, which those of equal aspect do not always fill, in pixels."""
    return axes.get_position(original=True).height * axes.figure.bbox.height


def _rows(axes: Axes) -> int:
    """The number of rows of axes in the grid of which these are one."""
    place = axes.get_subplotspec()
    return place.get_gridspec().nrows if place else 1


def _texts(axes: Axes) -> tuple[Text, Text, Text]:
    """Title, which this style has at the left, and labels of the horizontal and the vertical axis."""
    title: Text = axes._left_title  # type: ignore[attr-defined]  # matplotlib gives its text alone
    return title, axes.xaxis.label, axes.yaxis.label


def _broken(axes: Axes) -> tuple[int, list[str]]:
    """How the text about axes is broken: the columns of the legend, and each text in its lines."""
    legend = axes.get_legend()
    labels = legend.get_texts() if legend else []
    return legend._ncols if legend else 0, [text.get_text() for text in (*_texts(axes), *labels)]  # type: ignore[attr-defined]


def _wrapped(text: Text, written: str, room: float, renderer: RendererAgg) -> str:
    """What is written, each of its lines broken into as few as fit into `room`, in pixels, of about equal lengths."""
    font = text.get_fontproperties()
    found: list[str] = []
    for line in written.split("\n"):
        parts, width = [line], len(line)
        while width > 1 and max(renderer.get_text_width_height_descent(p, font, False)[0] for p in parts) > room:
            width -= 1
            parts = textwrap.wrap(line, width)
        while width > 1 and len(balanced := textwrap.wrap(line, width - 1)) == len(parts) > 1:
            parts, width = balanced, width - 1
        found += parts
    return "\n".join(found)


def _legend_below(axes: Axes, renderer: RendererAgg) -> None:
    """The legend of the labelled artists, below the axis and its label, in as many columns as the axes are wide."""
    handles, labels = axes.get_legend_handles_labels()
    if not handles:
        return
    below = axes.xaxis.get_tightbbox(renderer)
    down = axes.get_window_extent().y0 - below.y0 if below else 0.0
    offset = ScaledTranslation(0, -(down * 72 / axes.figure.dpi + GAP) / 72, axes.figure.dpi_scale_trans)
    for columns in range(min(4, len(handles)), 0, -1):
        legend = axes.legend(
            handles,
            labels,
            loc="upper left",
            ncols=columns,
            bbox_to_anchor=(0, 0),
            bbox_transform=axes.transAxes + offset,
            borderaxespad=0,
            borderpad=0,
            columnspacing=1.2,
        )
        beside = legend.get_window_extent(renderer).width - axes.bbox.width
        if beside <= 0:
            return
    room = max(text.get_window_extent(renderer).width for text in legend.get_texts()) - beside
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_text(_wrapped(text, label, room, renderer))
