"""What shall a figure show? Plain data, which `bagnet_tf.rendering` draws."""

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Series:
    """Some numbers of a panel.

    Attributes:
        x: Numbers, or `None` where there is none; where `kind` is `"bars"`,
            words.
        y: As many numbers; `None` or NaN where there is none.
        label: What the legend calls it; nothing if empty.
        kind: `"line"`, `"points"`, `"bars"`, `"steps"` (a histogram: `x` has
            one edge more than `y`), `"level"` and `"dotted"` (horizontal
            lines at `y[0]` over the whole panel) or `"diagonal"` (y = x,
            where the series before it are).
        low: Lower ends of error bars, as many as `y`; or `None`.
        high: Upper ends of error bars, likewise.
        names: Written beside the points; or empty.
        colour: Place in the palette; `None` for the next one, -1 for grey.
        dashed: Whether a line is dashed and a point is hollow.
    """

    x: Sequence
    y: Sequence
    label: str = ""
    kind: str = "line"
    low: Sequence | None = None
    high: Sequence | None = None
    names: Sequence[str] = ()
    colour: int | None = None
    dashed: bool = False


@dataclasses.dataclass(frozen=True)
class Panel:
    """One coordinate system.

    Attributes:
        title: Above it.
        x_label: What is on the x axis, with its unit.
        y_label: What is on the y axis, with its unit.
        series: What is drawn.
        percent: Axes whose numbers are shares, drawn as percentages: `""`,
            `"x"`, `"y"` or `"xy"`.
        x_limits: (lowest, highest), or `None` for what fits.
        y_limits: Likewise.
        log_y: Whether the y axis is logarithmic.
        x_ticks: The numbers on the x axis, or `None` for round ones.
    """

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    percent: str = ""
    x_limits: tuple[float, float] | None = None
    y_limits: tuple[float, float] | None = None
    log_y: bool = False
    x_ticks: Sequence[float] | None = None


@dataclasses.dataclass(frozen=True)
class Chart:
    """Panels under one heading.

    Attributes:
        heading: Above all of them.
        panels: The panels, row by row.
        columns: How many stand side by side.
        note: Below all of them: how it was measured.
    """

    heading: str
    panels: Sequence[Panel]
    columns: int = 2
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Tile:
    """One image of a gallery.

    Attributes:
        image: RGB or grey, uint8 (height, width, 3 or 1).
        title: Above it.
        subtitle: Below the title.
        evidence: A map over the image, (rows, cols), logits; or `None`.
        extent: (left, right, bottom, top) of the map in pixels of the image.
        box: A rectangle to outline, `bagnet_tf.Box`; or `None`.
    """

    image: np.ndarray
    title: str = ""
    subtitle: str = ""
    evidence: np.ndarray | None = None
    extent: tuple[float, float, float, float] | None = None
    box: tuple[int, int, int, int] | None = None


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Rows of images of one size, each row with a heading of its own.

    Attributes:
        heading: Above all of them.
        rows: (heading of the row, its tiles).
        note: Below the heading.
        tile_size: About how large the longer side of an image is drawn,
            pixels.
    """

    heading: str
    rows: Sequence[tuple[str, Sequence[Tile]]]
    note: str = ""
    tile_size: int = 150


Figure = Chart | Gallery
