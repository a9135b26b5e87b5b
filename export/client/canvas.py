"""How does one draw evidence at exact pixels of a picture, with Pillow alone?

Colours, places and words are those of `bagnet_tf.rendering`.
"""

import math

import numpy as np
from PIL import Image, ImageDraw

from bagnet_tf.captions import number
from bagnet_tf.colours import BOX_COLOUR, GREY, shown_in_rgb
from bagnet_tf.geometry import Box
from bagnet_tf.layout import LINE, MARGIN, Layout

from .fonts import font, spelled
from .maps import colours_of, map_pixels

_PIXELS_PER_POINT = 150 / 72
_MAX_TICKS = 9


class Canvas:
    """A picture that is drawn piece by piece.

    Attributes:
        layout: Where the pieces go.
        image: The picture, RGB.
    """

    def __init__(self, layout: Layout):
        """Begins a white picture of the layout's size."""
        self.layout = layout
        size = layout.width, layout.height
        self.image = Image.new("RGB", size, "white")
        self._draw = ImageDraw.Draw(self.image)

    def text(
        self,
        left: int,
        top: int,
        text: str,
        width: int | None = None,
        size: float = 12,
        bold: bool = False,
        colour: str = "black",
    ) -> None:
        """Writes one line, shortened to `width` (by default the margin's)."""
        width = width or self.layout.width - MARGIN - left
        letters = font(size * _PIXELS_PER_POINT, bold)
        text = spelled(" ".join(str(text).split())[:300])
        while (drawn := letters.getlength(text)) > width:
            keep = min(len(text) - 2, int(len(text) * width / drawn))
            text = text[:keep] + "…"
        self._draw.text((left, top), text, colour, letters)

    def text_above(self, box: Box, title: str, subtitle: str) -> None:
        """Writes two lines above a panel."""
        width = box.right - box.left
        top = box.top - 2 * LINE
        self.text(box.left, top, title, width, size=12, bold=True)
        self.text(box.left, top + LINE, subtitle, width, size=11)

    def pixels(self, place: Box, image: np.ndarray) -> None:
        """Fills a place with an image, RGB or grey, uint8, and frames it."""
        self._paste(place, _fitted(image, place))

    def map(
        self,
        place: Box,
        image: np.ndarray,
        evidence: np.ndarray,
        extent: tuple[float, float, float, float],
        limit: float,
    ) -> None:
        """Fills a place with one class's map, shaded by the image.

        Args:
            place: Where to draw.
            image: RGB or grey, uint8 (height, width, 3 or 1).
            evidence: (rows, cols), logits.
            extent: (left, right, bottom, top) of the map in pixels of the
                image, from `bagnet_tf.layout.map_extent`.
            limit: End of the symmetric colour scale, logits.
        """
        self._paste(
            place,
            map_pixels(
                _fitted(image, place), image.shape, evidence, extent, limit
            ),
        )

    def box(self, panel: Box, image_shape: tuple[int, int], box: Box) -> Box:
        """Outlines a box, given in pixels of a panel's image.

        Returns:
            The outline, in pixels of the picture.
        """
        scale = (panel.bottom - panel.top) / image_shape[0]
        left, top, right, bottom = (
            round(start + side * scale)
            for start, side in (
                (panel.left, box.left),
                (panel.top, box.top),
                (panel.left, box.right),
                (panel.top, box.bottom),
            )
        )
        dark = left - 2, top - 2, right + 1, bottom + 1
        self._draw.rectangle(dark, outline="black", width=7)
        bright = left, top, right - 1, bottom - 1
        self._draw.rectangle(bright, outline=BOX_COLOUR, width=3)
        return Box(top, left, bottom, right)

    def box_number(self, panel: Box, outline: Box, text: str) -> None:
        """Writes a patch's number beside its box, where it hides little."""
        letters = font(8 * _PIXELS_PER_POINT, bold=True)
        width, height = round(letters.getlength(text)) + 8, 22
        left = min(outline.left, panel.right - width)
        if outline.right > panel.right - width:
            left = outline.right - width
        top = outline.top - height - 2
        if top < panel.top:
            top = outline.bottom + 2
        sides = left, top, left + width, top + height
        self._draw.rectangle(sides, BOX_COLOUR, "black")
        middle = left + width / 2, top + height / 2
        self._draw.text(middle, text, "black", letters, anchor="mm")

    def colour_bar(
        self, place: Box, maps: np.ndarray, limit: float, label: str
    ) -> None:
        """Says what the colours of `maps` mean; pointed if some lie beyond."""
        width, height = place.right - place.left, place.bottom - place.top
        values = np.linspace(limit, -limit, height)[:, None]
        bar = np.tile(colours_of(values, limit), (1, width, 1))
        self._paste(place, bar.astype(np.uint8))
        if np.abs(maps).max() > limit:
            self._points(place, limit)
        letters = font(10 * _PIXELS_PER_POINT)
        ticks = _ticks(limit)
        for tick in ticks:
            y = place.top + (limit - tick) / (2 * limit) * (height - 1)
            sides = place.right, y, place.right + 7, y
            self._draw.line(sides, "black", width=2)
            at = place.right + 12, y
            text = spelled(number(tick))
            self._draw.text(at, text, "black", letters, anchor="lm")
        label = spelled(label)
        length = math.ceil(letters.getlength(label))
        turned = Image.new("L", (length, LINE))
        ImageDraw.Draw(turned).text((0, 0), label, 255, letters)
        turned = turned.rotate(90, expand=True)
        room = max(letters.getlength(spelled(number(tick))) for tick in ticks)
        at = (
            place.right + 20 + int(room),
            (place.top + place.bottom - length) // 2,
        )
        self.image.paste("black", at, turned)

    def _points(self, place: Box, limit: float) -> None:
        ends = colours_of(np.array([[limit, -limit]]), limit)[0].astype(int)
        middle, rise = (place.left + place.right) // 2, 18
        for edge, tip, colour in (
            (place.top, place.top - rise, ends[0]),
            (place.bottom - 1, place.bottom - 1 + rise, ends[1]),
        ):
            corners = (place.left, edge), (middle, tip), (place.right - 1, edge)
            self._draw.polygon(corners, tuple(colour.tolist()), GREY)

    def _paste(self, place: Box, pixels: np.ndarray) -> None:
        self.image.paste(Image.fromarray(pixels), (place.left, place.top))
        sides = place.left, place.top, place.right - 1, place.bottom - 1
        self._draw.rectangle(sides, outline=GREY)


def _fitted(image: np.ndarray, place: Box) -> np.ndarray:
    """An image in the size of a place: pixels stay whole when enlarged."""
    size = place.right - place.left, place.bottom - place.top
    shrunk = size[0] < image.shape[1]
    how = Image.Resampling.BOX if shrunk else Image.Resampling.NEAREST
    opened = Image.fromarray(np.ascontiguousarray(shown_in_rgb(image)))
    return np.asarray(opened.resize(size, how))


def _ticks(limit: float) -> list[float]:
    """Round numbers from -limit to limit, zero among them."""
    magnitude = 10.0 ** math.floor(math.log10(limit))
    for factor in (0.1, 0.2, 0.25, 0.5, 1, 2, 2.5):
        step = factor * magnitude
        most = math.floor(limit / step + 1e-9)
        if 2 * most + 1 <= _MAX_TICKS:
            break
    return [place * step for place in range(-most, most + 1)]
