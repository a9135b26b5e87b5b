"""Where does each part of a picture go? Arithmetic only.

All places are known before anything is drawn, in whole pixels of the picture,
so that nothing overlaps and a panel shows each pixel of the model's input as
a whole number of pixels.
"""

import dataclasses
from typing import ClassVar

from bagnet_tf.geometry import Box, PatchGeometry

MARGIN = 36
LINE = 34
TITLE_SIZE = 118
CAPTION_LINE = 30
# A sheet of these, in rows of four, stays within what Agg can draw.
MAX_SHEET_IMAGES = 400

_COLUMNS = 4
_PANEL_SIZE = 448
_SHEET_SIZE = 224
_SHEET_GAP = 6
# So that the title of a gallery of few small images is not cut.
_LEAST_WIDTH = 900
_PANEL_TITLE = 72
_GAP = 28
_COLOUR_BAR_WIDTH = 28
_COLOUR_BAR_ROOM = 160
_TILE_SIZE = 200
_TILE_CAPTION = 92
_STRIP_TITLE = 84


def map_extent(
    geometry: PatchGeometry, grid_shape: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Where a map lies in its image: each cell about its patch's centre.

    A cell is drawn as the stride x stride square in the middle of its patch,
    so that neighbouring cells meet and none covers another.

    Args:
        geometry: Receptive field and stride.
        grid_shape: (rows, cols) of the map.

    Returns:
        (left, right, bottom, top) as matplotlib's `imshow` takes it, pixels
        of the image, where pixel j spans j to j + 1.
    """
    rim = (geometry.receptive_field - geometry.stride) / 2
    rows, cols = (cells * geometry.stride for cells in grid_shape)
    return rim, rim + cols, rim + rows, rim


def dense_extent(
    stride: int, map_shape: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Where a padded dense map lies in its image, as `map_extent`.

    Args:
        stride: Distance between neighbouring patches, pixels.
        map_shape: (rows, cols) of the map; cell (i, j) is the evidence of the
            patch that is centred at pixel (i * stride, j * stride).

    Returns:
        (left, right, bottom, top), pixels of the image.
    """
    rim = (1 - stride) / 2
    rows, cols = (cells * stride for cells in map_shape)
    return rim, rim + cols, rim + rows, rim


@dataclasses.dataclass(frozen=True)
class Layout:
    """Title; panels in rows of four, colour bar beside; strip of tiles; footer.

    Attributes:
        image_shape: (height, width) of the image that panels show, pixels.
        num_panels: Number of panels.
        num_tiles: Number of tiles in the strip.
        num_footer_lines: Number of lines in the footer.
    """

    image_shape: tuple[int, int]
    num_panels: int
    num_tiles: int
    num_footer_lines: int = 2

    @property
    def panel_shape(self) -> tuple[int, int]:
        """(height, width) of a panel: the image, enlarged a whole number."""
        return _enlarged(self.image_shape, _PANEL_SIZE)

    @property
    def width(self) -> int:
        """Width of the picture."""
        columns = min(self.num_panels, _COLUMNS)
        inner = columns * (self.panel_shape[1] + _GAP) + _COLOUR_BAR_ROOM
        return inner + 2 * MARGIN

    @property
    def height(self) -> int:
        """Height of the picture."""
        return self.footer_top + self.num_footer_lines * LINE + MARGIN // 2

    @property
    def strip_top(self) -> int:
        """Where the strip's heading begins."""
        return self._panel_row(-(-self.num_panels // _COLUMNS))

    @property
    def footer_top(self) -> int:
        """Where the footer begins."""
        return self._tile_row(-(-self.num_tiles // self._tiles_a_row))

    @property
    def colour_bar(self) -> Box:
        """Place of the colour bar: to the right of the first row."""
        top = self._panel_row(0) + _PANEL_TITLE
        left = self.width - MARGIN - _COLOUR_BAR_ROOM
        bottom = top + self.panel_shape[0]
        return Box(top, left, bottom, left + _COLOUR_BAR_WIDTH)

    def panel(self, place: int) -> Box:
        """Place of a panel's image; its heading stands in two lines above."""
        row, column = divmod(place, _COLUMNS)
        height, width = self.panel_shape
        top = self._panel_row(row) + _PANEL_TITLE
        left = MARGIN + column * (width + _GAP)
        return Box(top, left, top + height, left + width)

    def tile(self, place: int) -> Box:
        """Place of a tile's image; its caption stands in two lines below."""
        row, column = divmod(place, self._tiles_a_row)
        top = self._tile_row(row)
        left = MARGIN + column * (_TILE_SIZE + _GAP)
        return Box(top, left, top + _TILE_SIZE, left + _TILE_SIZE)

    @property
    def _tiles_a_row(self) -> int:
        return (self.width - 2 * MARGIN + _GAP) // (_TILE_SIZE + _GAP)

    def _panel_row(self, row: int) -> int:
        return TITLE_SIZE + row * (_PANEL_TITLE + self.panel_shape[0] + _GAP)

    def _tile_row(self, row: int) -> int:
        rows = row * (_TILE_SIZE + _TILE_CAPTION)
        return self.strip_top + _STRIP_TITLE + rows


@dataclasses.dataclass(frozen=True)
class SheetLayout:
    """Title; pairs of image and map in rows of four; colour bar beside.

    Attributes:
        image_shape: (height, width) of the images, pixels.
        num_images: Number of images.
    """

    image_shape: tuple[int, int]
    num_images: int

    @property
    def width(self) -> int:
        """Width of the picture."""
        columns = min(self.num_images, _COLUMNS)
        inner = columns * (self._pair_width + _GAP) + _COLOUR_BAR_ROOM
        return inner + 2 * MARGIN

    @property
    def height(self) -> int:
        """Height of the picture."""
        return self._row(-(-self.num_images // _COLUMNS)) + MARGIN // 2

    @property
    def colour_bar(self) -> Box:
        """Place of the colour bar: to the right of the first row."""
        top = self._row(0) + _PANEL_TITLE
        left = self.width - MARGIN - _COLOUR_BAR_ROOM
        return Box(top, left, self._row(1) - _GAP, left + _COLOUR_BAR_WIDTH)

    def image(self, place: int) -> Box:
        """Place of an image; its caption stands in two lines above."""
        row, column = divmod(place, _COLUMNS)
        height, width = self._shape
        top = self._row(row) + _PANEL_TITLE
        left = MARGIN + column * (self._pair_width + _GAP)
        return Box(top, left, top + height, left + width)

    def map(self, place: int) -> Box:
        """Place of an image's map: to the right of it."""
        top, _, bottom, right = self.image(place)
        left = right + _SHEET_GAP
        return Box(top, left, bottom, left + self._shape[1])

    @property
    def _shape(self) -> tuple[int, int]:
        return _enlarged(self.image_shape, _SHEET_SIZE)

    @property
    def _pair_width(self) -> int:
        return 2 * self._shape[1] + _SHEET_GAP

    def _row(self, row: int) -> int:
        return TITLE_SIZE + row * (_PANEL_TITLE + self._shape[0] + _GAP)


@dataclasses.dataclass(frozen=True)
class GalleryLayout:
    """Title and note; rows of images, each with a heading; colour bar beside.

    Attributes:
        image_shape: (height, width) of the images, pixels.
        row_lengths: Number of images of each row.
        row_titles: Whether each row has a heading.
        tile_size: About how large the longer side of an image is drawn.
        num_captions: Lines above each image.
        has_scale: Whether there is a colour bar.
        num_note_lines: Lines below the title.
    """

    CAPTION: ClassVar[int] = 24
    _ROOM: ClassVar[int] = 14  # Between images.

    image_shape: tuple[int, int]
    row_lengths: tuple[int, ...]
    row_titles: tuple[bool, ...]
    tile_size: int
    num_captions: int
    has_scale: bool
    num_note_lines: int

    @property
    def width(self) -> int:
        """Width of the picture."""
        inner = max(self.row_lengths) * (self._shape[1] + self._ROOM)
        inner = max(inner + self.has_scale * _COLOUR_BAR_ROOM, _LEAST_WIDTH)
        return inner + 2 * MARGIN

    @property
    def height(self) -> int:
        """Height of the picture."""
        return self.row_top(len(self.row_lengths)) + MARGIN // 2

    @property
    def colour_bar(self) -> Box:
        """Place of the colour bar: to the right, at most two rows high."""
        top = self.tile(0, 0).top
        left = self.width - MARGIN - _COLOUR_BAR_ROOM
        bottom = max(self.tile(0, 0).bottom, top + 2 * _SHEET_SIZE)
        bottom = min(bottom, self.height - MARGIN)
        return Box(top, left, bottom, left + _COLOUR_BAR_WIDTH)

    def row_top(self, row: int) -> int:
        """Where a row's heading begins."""
        top = MARGIN // 2 + 60 + self.num_note_lines * LINE
        titles = sum(self.row_titles[:row]) * LINE
        return top + titles + row * self._row_height

    def tile(self, row: int, place: int) -> Box:
        """Place of an image; its captions stand above."""
        height, width = self._shape
        top = self.row_top(row) + self.row_titles[row] * LINE
        top += self.num_captions * self.CAPTION
        left = MARGIN + place * (width + self._ROOM)
        return Box(top, left, top + height, left + width)

    @property
    def _row_height(self) -> int:
        captions = self.num_captions * self.CAPTION
        return captions + self._shape[0] + self._ROOM

    @property
    def _shape(self) -> tuple[int, int]:
        return _enlarged(self.image_shape, self.tile_size)


def _enlarged(image_shape, size) -> tuple[int, int]:
    """The image, about `size` high or wide, enlarged a whole number."""
    larger = max(image_shape)
    scale = max(1, round(size / larger))
    if larger > 1.5 * size:
        scale = size / larger
    height, width = (round(side * scale) for side in image_shape)
    return height, width
