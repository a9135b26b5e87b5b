"""How does one draw and write at exact pixels of a picture?"""

import os
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from bagnet_tf.geometry import Box
from bagnet_tf.layout import (
    LINE,
    MARGIN,
    GalleryLayout,
    Layout,
    SheetLayout,
)
from bagnet_tf.rendering.maps import COLOUR_MAP

_DPI = 150


class Canvas:
    """A figure addressed in its own pixels, from its top left corner."""

    def __init__(self, layout: Layout | SheetLayout | GalleryLayout):
        """Makes a figure of the layout's size."""
        self.layout = layout
        size = layout.width / _DPI, layout.height / _DPI
        self.figure = Figure(size, dpi=_DPI, facecolor="white")
        self._renderer = FigureCanvasAgg(self.figure).get_renderer()

    def axes(self, place: Box) -> Axes:
        """Axes that fill a place."""
        width, height = self.layout.width, self.layout.height
        return self.figure.add_axes(
            (
                place.left / width,
                1 - place.bottom / height,
                (place.right - place.left) / width,
                (place.bottom - place.top) / height,
            )
        )

    def axes_below(self, box: Box, title: str, subtitle: str) -> Axes:
        """Axes with two lines of text above."""
        width = box.right - box.left
        top = box.top - 2 * LINE
        self.text(box.left, top, title, width, size=12, weight="bold")
        self.text(box.left, top + LINE, subtitle, width, size=11)
        return self.axes(box)

    def text(
        self,
        left: float,
        top: float,
        text: str,
        width: float | None = None,
        **style: Any,
    ) -> None:
        """Writes one line, shortened to `width` (by default the margin's)."""
        width = width or self.layout.width - MARGIN - left
        text = " ".join(str(text).split())[:300]
        x, y = left / self.layout.width, 1 - top / self.layout.height
        style = {"va": "top", "parse_math": False, **style}
        artist = self.figure.text(x, y, text, **style)
        while (drawn := artist.get_window_extent(self._renderer).width) > width:
            keep = min(len(text) - 2, int(len(text) * width / drawn))
            text = text[:keep] + "…"
            artist.set_text(text)

    def colour_bar(
        self, place: Box, maps: np.ndarray, limit: float, label: str
    ) -> None:
        """Says what the colours of `maps` mean; pointed if some lie beyond."""
        bar = self.figure.colorbar(
            ScalarMappable(Normalize(-limit, limit), COLOUR_MAP),
            cax=self.axes(place),
            extend="both" if np.abs(maps).max() > limit else "neither",
            extendfrac=0.04,
        )
        bar.set_label(label, size=10)
        bar.ax.tick_params(labelsize=10)


def save_picture(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Writes a picture in the format of its ending, such as .png or .svg.

    The same figure gives the same file, byte for byte.
    """
    if not os.fspath(path).endswith(".svg"):
        figure.savefig(path)
        return
    with matplotlib.rc_context({"svg.hashsalt": "bagnet_tf"}):
        figure.savefig(path, metadata={"Date": None})
