"""What do many decisions look like? A contact sheet."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from bagnet_tf.colours import GREY, colour_limit
from bagnet_tf.layout import (
    LINE,
    MARGIN,
    MAX_SHEET_IMAGES,
    SheetLayout,
)
from bagnet_tf.rendering.canvas import Canvas
from bagnet_tf.rendering.maps import draw_map, draw_pixels


@dataclasses.dataclass(frozen=True)
class SheetEntry:
    """One image of a contact sheet.

    Attributes:
        image: The model's input, RGB or grey, uint8 (height, width, 3 or 1).
        evidence: Of one class, (rows, cols), logits.
        title: Which image it is.
        subtitle: Which class the map is of, and how probable it is.
    """

    image: np.ndarray
    evidence: np.ndarray
    title: str
    subtitle: str


def render_contact_sheet(
    entries: Sequence[SheetEntry],
    extent: tuple[float, float, float, float],
    heading: str,
    limit: float | None = None,
    evidence_name: str = "class-centred evidence",
) -> Figure:
    """Draws many images, each with its map, on one colour scale.

    Args:
        entries: The images, all of one size.
        extent: (left, right, bottom, top) of every map in pixels of its
            image, from `bagnet_tf.layout.map_extent` or
            `bagnet_tf.photo_maps.to_the_rim`.
        heading: The title of the sheet.
        limit: End of the symmetric colour scale, logits; by default that of
            `colour_limit` for all maps.
        evidence_name: What the maps show: `Explanation.evidence_name`.

    Returns:
        A figure with an Agg canvas.

    Raises:
        ValueError: If there are no entries or too many for one picture, or
            if images or maps differ in size.

    Example:
        >>> entry = SheetEntry(image, evidence, "cat.jpg", "cat  p = 0.98")
        >>> render_contact_sheet([entry], extent, "Cats").savefig("cats.png")
    """
    if not 0 < len(entries) <= MAX_SHEET_IMAGES:
        raise ValueError(
            f"entries must be 1 to {MAX_SHEET_IMAGES} images. "
            f"Received: {len(entries)} entries"
        )
    shapes = {(e.image.shape, e.evidence.shape) for e in entries}
    if len(shapes) > 1:
        raise ValueError(
            "entries must have images of one size and maps of one size. "
            f"Received: shapes={sorted(shapes)}"
        )
    layout = SheetLayout(entries[0].image.shape[:2], len(entries))
    canvas = Canvas(layout)
    values = np.stack([entry.evidence for entry in entries])
    limit = limit or colour_limit(values)
    canvas.text(MARGIN, MARGIN // 2, heading, size=17, weight="bold")
    note = (
        f"{evidence_name} on one colour scale; red speaks for the class that "
        "is named"
    )
    top = MARGIN // 2 + 48
    canvas.text(MARGIN, top, note, size=12, color=GREY)
    for place, entry in enumerate(entries):
        photo, colours = layout.image(place), layout.map(place)
        width = colours.right - photo.left
        top = photo.top - 2 * LINE
        canvas.text(photo.left, top, entry.title, width, size=11, weight="bold")
        canvas.text(photo.left, top + LINE, entry.subtitle, width, size=11)
        draw_pixels(canvas.axes(photo), entry.image)
        axes = canvas.axes(colours)
        draw_map(axes, entry.image, entry.evidence, extent, limit)
    canvas.colour_bar(layout.colour_bar, values, limit, "logits per patch")
    return canvas.figure
