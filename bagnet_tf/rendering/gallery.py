"""What do many images and maps look like, row by row? A gallery."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bagnet_tf.colours import BOX_COLOUR, GREY, colour_limit
from bagnet_tf.figures import Gallery, Tile
from bagnet_tf.layout import LINE, MARGIN, GalleryLayout
from bagnet_tf.rendering.canvas import Canvas
from bagnet_tf.rendering.maps import draw_map, draw_pixels


def render_gallery(gallery: Gallery) -> Figure:
    """Draws a gallery; all maps have one symmetric colour scale.

    Args:
        gallery: What it shall show.

    Returns:
        A figure with an Agg canvas.

    Raises:
        ValueError: If it has no image.
    """
    tiles = [tile for _, row in gallery.rows for tile in row]
    if not tiles:
        raise ValueError("gallery must have an image. Received: none")
    maps = [tile.evidence for tile in tiles if tile.evidence is not None]
    layout = GalleryLayout(
        image_shape=tiles[0].image.shape[:2],
        row_lengths=tuple(len(row) for _, row in gallery.rows),
        row_titles=tuple(bool(title) for title, _ in gallery.rows),
        tile_size=gallery.tile_size,
        num_captions=_most_captions(tiles),
        has_scale=bool(maps),
        num_note_lines=gallery.note.count("\n") + bool(gallery.note),
    )
    canvas = Canvas(layout)
    canvas.text(MARGIN, MARGIN // 2, gallery.heading, size=15, weight="bold")
    for place, line in enumerate(gallery.note.split("\n")):
        top = MARGIN // 2 + 42 + place * LINE
        canvas.text(MARGIN, top, line, size=10, color=GREY)
    limit = None
    if maps:
        values = np.concatenate([values.ravel() for values in maps])
        limit = colour_limit(values)
        canvas.colour_bar(layout.colour_bar, values, limit, "logits per patch")
    for number, (title, row) in enumerate(gallery.rows):
        top = layout.row_top(number)
        canvas.text(MARGIN, top, title, size=11, weight="bold")
        for place, tile in enumerate(row):
            _draw_tile(canvas, tile, layout.tile(number, place), limit)
    return canvas.figure


def _draw_tile(canvas, tile: Tile, place, limit) -> None:
    captions = [text for text in (tile.title, tile.subtitle) if text]
    lines = canvas.layout.num_captions
    for line, text in enumerate(captions):
        top = place.top - (lines - line) * GalleryLayout.CAPTION
        width = place.right - place.left
        style = {"color": GREY} if line else {}
        canvas.text(place.left, top, text, width, size=8, **style)
    axes = canvas.axes(place)
    if tile.evidence is None:
        draw_pixels(axes, tile.image)
    else:
        draw_map(axes, tile.image, tile.evidence, tile.extent, limit)
    if tile.box is not None:
        top, left, bottom, right = tile.box
        axes.add_patch(
            Rectangle(
                (left, top),
                right - left,
                bottom - top,
                fill=False,
                lw=1.5,
                color=BOX_COLOUR,
            )
        )


def _most_captions(tiles) -> int:
    return max(bool(tile.title) + bool(tile.subtitle) for tile in tiles)
