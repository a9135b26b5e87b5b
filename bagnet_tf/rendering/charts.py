"""What do measured numbers look like? Charts of several panels."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from bagnet_tf.colours import GREY
from bagnet_tf.figures import Chart, Panel, Series

# Distinct with every kind of colour vision (Okabe & Ito, darker yellow).
PALETTE = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#e69f00",
    "#000000",
    "#a08000",
)
_MARKERS = "osD^vPXh"
_PANEL_SIZE = 5.4, 3.9  # inches
_NOTE_LETTERS = 92  # For each panel of a row.


def render_chart(chart: Chart) -> Figure:
    """Draws a chart.

    Args:
        chart: What it shall show.

    Returns:
        A figure with an Agg canvas.

    Raises:
        ValueError: If it has no panel.
    """
    if not chart.panels:
        raise ValueError("chart must have a panel. Received: none")
    columns = min(chart.columns, len(chart.panels))
    rows = -(-len(chart.panels) // columns)
    width, height = _PANEL_SIZE
    note = _wrapped(chart.note, columns * _NOTE_LETTERS)
    extra = 0.5 + 0.17 * note.count("\n")
    figure = Figure(
        (columns * width, rows * height + extra),
        dpi=150,
        facecolor="white",
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    figure.suptitle(chart.heading, x=0.01, ha="left", weight="bold")
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, panel in zip(places, chart.panels, strict=False):
        _draw_panel(axes, panel)
    for axes in places[len(chart.panels) :]:
        axes.set_visible(False)
    if note:
        figure.supxlabel(
            note, x=0.01, ha="left", size=8, color=GREY, parse_math=False
        )
    return figure


def _draw_panel(axes: Axes, panel: Panel) -> None:
    axes.set_title(panel.title, loc="left", size=10)
    axes.set_xlabel(panel.x_label, size=9)
    axes.set_ylabel(panel.y_label, size=9)
    axes.tick_params(labelsize=8)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    next_colour = 0
    bars = [series for series in panel.series if series.kind == "bars"]
    for place, series in enumerate(panel.series):
        number = next_colour if series.colour is None else series.colour
        next_colour += series.colour is None
        style = {"color": GREY if number < 0 else PALETTE[number % 8]}
        if series.label:
            style["label"] = series.label
        if series.kind == "bars":
            _draw_bars(axes, series, bars.index(series), len(bars), style)
        else:
            marker = _MARKERS[max(number, 0) % 8]
            _draw_series(axes, series, style, marker, place)
    for axis, limits in (("x", panel.x_limits), ("y", panel.y_limits)):
        if limits is not None:
            axes.set(**{f"{axis}lim": limits})
        if axis in panel.percent:
            getattr(axes, f"{axis}axis").set_major_formatter(
                PercentFormatter(1.0)
            )
    if panel.log_y:
        axes.set_yscale("log")
    if panel.x_ticks is not None:
        axes.set_xticks(panel.x_ticks, [f"{tick:g}" for tick in panel.x_ticks])
    if any(series.label for series in panel.series):
        axes.legend(fontsize=8, framealpha=0.85, edgecolor="none")


def _draw_series(axes, series: Series, style, marker, order) -> None:
    """Draws what is no bar."""
    if series.kind == "diagonal":
        limits = {"xlim": axes.get_xlim(), "ylim": axes.get_ylim()}
        axes.axline((0, 0), slope=1, lw=0.9, ls=":", **style)
        axes.set(**limits)  # Of the points.
        return
    dash = "--" if series.dashed else "-"
    if series.kind in ("level", "dotted"):
        dash = ":" if series.kind == "dotted" else dash
        axes.axhline(series.y[0], lw=1.3, ls=dash, **style)
        return
    if series.kind == "steps":
        axes.stairs(series.y, series.x, lw=1.4, ls=dash, **style)
        return
    x, y = _numbers(series.x), _numbers(series.y)
    if series.low is not None:
        axes.errorbar(
            x,
            y,
            _errors(series, y),
            fmt="none",
            lw=1,
            capsize=2.5,
            c=style["color"],
        )
    shape = {"marker": marker, "markersize": 4.5}
    if series.dashed:
        shape["markerfacecolor"] = "white"
    line = dash if series.kind == "line" else "none"
    axes.plot(x, y, ls=line, lw=1.4, zorder=3 + order, **shape, **style)
    _draw_names(axes, series.names, x, y)


def _draw_names(axes, names, x, y) -> None:
    """Writes beside each point what it is."""
    for place, name in enumerate(names):
        if not np.isfinite([x[place], y[place]]).all():
            continue
        axes.annotate(
            name,
            (x[place], y[place]),
            (4, 4),
            textcoords="offset points",
            size=7,
            color=GREY,
            parse_math=False,
        )


def _draw_bars(axes, series: Series, place, count, style) -> None:
    width = 0.8 / count
    middles = np.arange(len(series.x)) + (place - (count - 1) / 2) * width
    y = _numbers(series.y)
    errors = None if series.low is None else _errors(series, y)
    bar = {"ecolor": "#333333", "capsize": 2.5, "error_kw": {"lw": 1}}
    axes.bar(middles, y, width * 0.92, yerr=errors, **bar, **style)
    names = [str(name) for name in series.x]
    long = max(map(len, names)) * len(names) > 60
    turn = {"rotation": 35, "ha": "right"} if long else {}
    axes.set_xticks(np.arange(len(names)), names, parse_math=False, **turn)


def _numbers(values) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in values], float)


def _errors(series: Series, y) -> np.ndarray:
    """How far the ends of error bars are below and above."""
    ends = np.stack([_numbers(series.low), _numbers(series.high)])
    return np.abs(ends - y)


def _wrapped(text: str, width: int) -> str:
    """The text in lines of at most so many letters."""
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + len(word) >= width:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return "\n".join([*lines, line])
