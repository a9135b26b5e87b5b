"""What does a decision look like? The picture of an explanation."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.patheffects import withStroke

from bagnet_tf.captions import (
    footer_lines,
    number,
    panel_subtitle,
    shortened,
    strip_headings,
    tile_lines,
)
from bagnet_tf.colours import BOX_COLOUR, GREY, colour_limit
from bagnet_tf.decisions import verdict_of
from bagnet_tf.explanation import Explanation
from bagnet_tf.layout import (
    CAPTION_LINE,
    LINE,
    MARGIN,
    Layout,
    map_extent,
)
from bagnet_tf.photo_maps import to_the_rim
from bagnet_tf.rendering.canvas import Canvas
from bagnet_tf.rendering.maps import draw_map, draw_pixels

# How many letters of two class names stand above a map.
_CONTRAST_LETTERS = 24


@dataclasses.dataclass(frozen=True)
class DenseMaps:
    """Padded dense maps that are drawn in place of the grid's.

    Attributes:
        values: Decisive evidence of the explained classes (see
            `Explanation.decisive_evidence`), (rows, cols, k), from
            `bagnet_tf.dense_heatmap`.
        stride: Distance between neighbouring patches, pixels.
    """

    values: np.ndarray
    stride: int


class _Map(NamedTuple):
    """What one panel shows."""

    title: str
    subtitle: str
    evidence: np.ndarray
    extent: tuple[float, float, float, float]
    whole_patches: np.ndarray  # Evidence of the grid, without padding.


def render_explanation(
    image: np.ndarray,
    explanation: Explanation,
    labels: Sequence[str],
    index: int = 0,
    source: str = "",
    contrast: tuple[int, int] | None = None,
    dense: DenseMaps | None = None,
    thresholds: Mapping[int, float] | None = None,
    remarks: Sequence[str] = (),
) -> Figure:
    """Draws how a decision is made of patches.

    The photo as the model sees it, with numbered boxes around the patches
    that speak most for the first explained class; the maps of the decisive
    evidence of all explained classes, on one symmetric colour scale in logits;
    and those patches with what each adds to the decision.

    Args:
        image: The model's input, RGB or grey, uint8 (height, width, 3 or 1).
        explanation: From `bagnet_tf.explain`.
        labels: Class names, by class id.
        index: Which image of the explanation `image` is.
        source: Where the image comes from, for the title.
        contrast: Two explained class ids, for one more map: why the first
            and not the second.
        dense: Maps to draw instead of the grid's. Boxes, strip, shares and
            the colour scale stay those of the grid, of which the decision is
            made.
        thresholds: Operating thresholds, by class id: `ModelInfo.thresholds`.
        remarks: What else there is to say, below: a paragraph each.

    Returns:
        A figure with an Agg canvas: `figure.savefig("cat.png")`, or ".svg".

    Raises:
        ValueError: If `image` is neither RGB nor grey or not of the size
            explained, if `dense` is not of that size, or if a class of
            `contrast` was not explained.

    Example:
        >>> explanation = bagnet_tf.explain(model, image[None])
        >>> figure = render_explanation(image, explanation, labels)
    """
    _check_image(image, explanation)
    verdict = verdict_of(
        explanation.logits[index], explanation.head, labels, thresholds or {}
    )
    maps = _maps(image, explanation, labels, index, dense, verdict)
    if contrast is not None:
        maps.append(_contrast(maps, explanation, labels, index, contrast))
    patches = [p for p in explanation.top_patches(index) if p.evidence > 0]
    layout = Layout(
        image_shape=image.shape[:2],
        num_panels=1 + len(maps),
        num_tiles=len(patches),
    )
    stride = dense.stride if dense else None
    footer = footer_lines(
        explanation, labels, index, contrast, stride, layout, remarks
    )
    layout = dataclasses.replace(layout, num_footer_lines=len(footer))
    canvas = Canvas(layout)
    _draw_title(canvas, verdict, source)
    _draw_input(canvas, image, patches)
    _draw_maps(canvas, image, maps, explanation.evidence_name)
    _draw_strip(canvas, image, explanation, labels, index, patches)
    for place, line in enumerate(footer):
        top = layout.footer_top + place * LINE
        canvas.text(MARGIN, top, line, size=10, color=GREY)
    return canvas.figure


def _maps(image, explanation, labels, index, dense, verdict) -> list[_Map]:
    """A map for each explained class."""
    grid = explanation.decisive_evidence[index]  # (rows, cols, explained)
    values, extent = grid, map_extent(explanation.geometry, grid.shape[:2])
    if dense is not None:
        sides = [-(-side // dense.stride) for side in image.shape[:2]]
        expected = (*sides, values.shape[-1])
        if dense.values.shape != expected:
            raise ValueError(
                f"dense must have values of shape {expected}. "
                f"Received: dense.values.shape={dense.values.shape}"
            )
        values, extent = to_the_rim(dense.values, dense.stride)
    maps = []
    for place, class_id in enumerate(explanation.class_ids[index]):
        maps.append(
            _Map(
                labels[class_id],
                panel_subtitle(explanation, index, class_id, verdict),
                values[..., place],
                extent,
                grid[..., place],
            )
        )
    return maps


def _contrast(maps, explanation, labels, index, contrast) -> _Map:
    """Why one class and not the other; what is in both maps cancels."""
    explanation.contrast(index, *contrast)  # Raises if not explained.
    explained = explanation.class_ids[index].tolist()
    one, other = (maps[explained.index(class_id)] for class_id in contrast)
    logits = explanation.logits[index].astype(np.float64)
    difference = number(logits[contrast[0]] - logits[contrast[1]], "+")
    names = [labels[class_id] for class_id in contrast]
    if sum(map(len, names)) > _CONTRAST_LETTERS:
        names = [shortened(name, _CONTRAST_LETTERS // 2) for name in names]
    return _Map(
        " − ".join(names),
        f"logits differ by {difference}",
        one.evidence - other.evidence,
        one.extent,
        one.whole_patches - other.whole_patches,
    )


def _draw_title(canvas, verdict, source):
    title = f"prediction: {verdict.title}"
    subtitle = verdict.detail + f"  ·  {source}" * bool(source)
    canvas.text(MARGIN, MARGIN // 2, title, size=17, weight="bold")
    canvas.text(MARGIN, MARGIN // 2 + 48, subtitle, size=12, color=GREY)


def _draw_input(canvas, image, patches):
    height, width = image.shape[:2]
    size = f"{width} × {height} pixels"
    place = canvas.layout.panel(0)
    axes = canvas.axes_below(place, "what the model sees", size)
    draw_pixels(axes, image)
    outline = [withStroke(linewidth=3.5, foreground="black")]
    style = {"color": BOX_COLOUR, "path_effects": outline, "clip_on": False}
    for patch in patches:
        top, left, bottom, right = patch.box
        corners = ([left, right, right, left], [top, top, bottom, bottom])
        axes.add_patch(
            Polygon(np.transpose(corners), fill=False, lw=1.7, **style)
        )
    for place, patch in enumerate(patches, start=1):
        _draw_box_number(axes, str(place), patch.box, width)


def _draw_box_number(axes, text, box, image_width):
    """Writes a patch's number beside its box, where it hides little of it."""
    above = box.top > image_width // 14
    right = box.right > image_width * 13 // 14
    axes.annotate(
        text,
        (box.right if right else box.left, box.top if above else box.bottom),
        (0, 2 if above else -2),
        textcoords="offset points",
        ha="right" if right else "left",
        va="bottom" if above else "top",
        size=8,
        weight="bold",
        bbox={"boxstyle": "square,pad=0.15", "fc": BOX_COLOUR, "lw": 0.8},
    )


def _draw_maps(canvas, image, maps, evidence_name):
    values = np.concatenate([panel.evidence.ravel() for panel in maps])
    limit = colour_limit(np.stack([panel.whole_patches for panel in maps]))
    for place, panel in enumerate(maps, start=1):
        axes = canvas.axes_below(
            canvas.layout.panel(place), panel.title, panel.subtitle
        )
        draw_map(axes, image, panel.evidence, panel.extent, limit)
    label = f"{evidence_name} (logits per patch)"
    canvas.colour_bar(canvas.layout.colour_bar, values, limit, label)


def _draw_strip(canvas, image, explanation, labels, index, patches):
    layout, top = canvas.layout, canvas.layout.strip_top
    heading, caption = strip_headings(explanation, labels, index, patches)
    canvas.text(MARGIN, top, heading, size=12, weight="bold")
    canvas.text(MARGIN, top + LINE, caption, size=11)
    for place, patch in enumerate(patches):
        box, tile = patch.box, layout.tile(place)
        axes = canvas.axes(tile)
        draw_pixels(axes, image[box.top : box.bottom, box.left : box.right])
        evidence, part = tile_lines(place + 1, patch)
        width = tile.right - tile.left
        top = tile.bottom + 6
        canvas.text(tile.left, top, evidence, width, size=11, weight="bold")
        canvas.text(tile.left, top + CAPTION_LINE, part, width, size=11)


def _check_image(image, explanation):
    expected = explanation.class_evidence.shape[1:3]
    grid_shape = explanation.geometry.grid_shape(*image.shape[:2])
    drawable = image.shape[2:] in ((1,), (3,)) and image.dtype == np.uint8
    if not drawable or grid_shape != expected:
        raise ValueError(
            f"image must be the explained one, of {expected} patches, as RGB "
            "or grey of uint8. "
            f"Received: image.shape={image.shape}, "
            f"image.dtype={image.dtype}"
        )
