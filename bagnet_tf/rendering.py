"""What does a decision look like? Pictures; the only importer of matplotlib.

Nothing of pyplot's global state is used: a figure is made and drawn by Agg,
on any machine and in any thread.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.patheffects import withStroke

from bagnet_tf.explanation import Explanation
from bagnet_tf.geometry import Box, PatchGeometry
from bagnet_tf.layout import CAPTION_LINE, LINE, MARGIN, Layout, map_extent

# Diverging, readable with every kind of colour vision; red speaks for a class.
_COLOUR_MAP = "RdBu_r"
_SCALE_PERCENTILE = 99
# How much the darkest pixel of the photo darkens the map above it.
_SHADE = 0.4
# Where no patch is centred there is no evidence; white would say "0".
_NO_EVIDENCE = {"fc": "#dddddd", "ec": "#b4b4b4", "hatch": "//"}
_BOX_COLOUR = "#ffd500"
_GREY = "#555555"

_DPI = 150


def colour_limit(maps: np.ndarray) -> float:
    """End of the symmetric colour scale that all `maps` share, logits.

    The 99th percentile of the absolute values, so that a single extreme cell
    does not make all others pale. Cells beyond it get the end colour, and
    the colour bar says so with pointed ends. Where that percentile is 0: the
    largest absolute value; where that is 0: 1.
    """
    magnitudes = np.abs(maps)
    limit = np.percentile(magnitudes, _SCALE_PERCENTILE)
    return float(limit or magnitudes.max() or 1.0)


def draw_map(
    axes: Axes,
    image: np.ndarray,
    evidence: np.ndarray,
    geometry: PatchGeometry,
    limit: float,
) -> None:
    """Draws one class's map, shaded by the photo so that one sees where.

    The shading multiplies the map's colours by the photo's grey values, the
    brightest being 1; cells are not smoothed. The rim where no patch is
    centred is hatched.

    Args:
        axes: Where to draw; its units become pixels of the image.
        image: RGB, uint8 (height, width, 3).
        evidence: (rows, cols), logits.
        geometry: Receptive field and stride of the map.
        limit: End of the symmetric colour scale, logits.
    """
    axes.patch.set(**_NO_EVIDENCE)
    axes.imshow(
        evidence,
        extent=map_extent(geometry, evidence.shape),
        cmap=_COLOUR_MAP,
        norm=Normalize(-limit, limit),
        interpolation="nearest",
    )
    # Black with an opacity is exactly a multiplication of the colours.
    grey = image.astype(np.float32) @ np.float32([0.299, 0.587, 0.114])
    shade = np.zeros((*grey.shape, 4), np.float32)
    shade[..., 3] = _SHADE * (grey.max() - grey) / 255
    _draw_pixels(axes, shade)


def render_explanation(
    image: np.ndarray,
    explanation: Explanation,
    labels: Sequence[str],
    index: int = 0,
    source: str = "",
) -> Figure:
    """Draws how a decision is made of patches.

    The photo as the model sees it, with numbered boxes around the patches
    that speak most for the first explained class; the class-centred evidence
    maps of all explained classes, on one symmetric colour scale in logits;
    and those patches with what each adds to the decision.

    Args:
        image: The model's input, RGB, uint8 (height, width, 3).
        explanation: From `bagnet_tf.explain`.
        labels: Class names, by class id.
        index: Which image of the explanation `image` is.
        source: Where the image comes from, for the title.

    Returns:
        A figure with an Agg canvas: `figure.savefig("cat.png")`.

    Raises:
        ValueError: If `image` is not RGB or not of the size explained.

    Example:
        >>> explanation = bagnet_tf.explain(model, image[None])
        >>> figure = render_explanation(image, explanation, labels)
    """
    _check_image(image, explanation)
    layout = Layout(
        image_shape=image.shape[:2],
        num_panels=1 + explanation.class_ids.shape[1],
        num_tiles=len(explanation.top_patches(index)),
    )
    canvas = _Canvas(layout)
    _draw_title(canvas, explanation, labels, index, source)
    _draw_input(canvas, image, explanation.top_patches(index))
    _draw_maps(canvas, image, explanation, labels, index)
    _draw_strip(canvas, image, explanation, labels, index)
    _draw_footer(canvas, explanation, index)
    return canvas.figure


class _Canvas:
    """A figure addressed in its own pixels, from its top left corner."""

    def __init__(self, layout: Layout):
        self.layout = layout
        size = layout.width / _DPI, layout.height / _DPI
        self.figure = Figure(size, dpi=_DPI, facecolor="white")
        self._renderer = FigureCanvasAgg(self.figure).get_renderer()

    def axes(self, place: Box) -> Axes:
        width, height = self.layout.width, self.layout.height
        return self.figure.add_axes(
            (
                place.left / width,
                1 - place.bottom / height,
                (place.right - place.left) / width,
                (place.bottom - place.top) / height,
            )
        )

    def panel(self, place: int, title: str, subtitle: str) -> Axes:
        box = self.layout.panel(place)
        width = box.right - box.left
        top = box.top - 2 * LINE
        self.text(box.left, top, title, width, size=12, weight="bold")
        self.text(box.left, top + LINE, subtitle, width, size=11)
        return self.axes(box)

    def text(self, left, top, text, width=None, **style) -> None:
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


def _draw_title(canvas, explanation, labels, index, source):
    predicted = explanation.logits[index].argmax()
    probability = explanation.probabilities[index, predicted]
    title = f"prediction: {labels[predicted]}"
    subtitle = f"p = {probability:.3f}" + f"  ·  {source}" * bool(source)
    canvas.text(MARGIN, MARGIN // 2, title, size=17, weight="bold")
    canvas.text(MARGIN, MARGIN // 2 + 48, subtitle, size=12, color=_GREY)


def _draw_input(canvas, image, patches):
    height, width = image.shape[:2]
    axes = canvas.panel(0, "what the model sees", f"{width} × {height} pixels")
    _draw_pixels(axes, image)
    outline = [withStroke(linewidth=3.5, foreground="black")]
    style = {"color": _BOX_COLOUR, "path_effects": outline, "clip_on": False}
    for patch in patches:
        top, left, bottom, right = patch.box
        corners = ([left, right, right, left], [top, top, bottom, bottom])
        axes.add_patch(
            Polygon(np.transpose(corners), fill=False, lw=1.7, **style)
        )
    for number, patch in enumerate(patches, start=1):
        _draw_number(axes, number, patch.box, width)


def _draw_number(axes, number, box, image_width):
    """Writes a patch's number beside its box, where it hides little of it."""
    above = box.top > image_width // 14
    right = box.right > image_width * 13 // 14
    axes.annotate(
        str(number),
        (box.right if right else box.left, box.top if above else box.bottom),
        (0, 2 if above else -2),
        textcoords="offset points",
        ha="right" if right else "left",
        va="bottom" if above else "top",
        size=8,
        weight="bold",
        bbox={"boxstyle": "square,pad=0.15", "fc": _BOX_COLOUR, "lw": 0.8},
    )


def _draw_maps(canvas, image, explanation, labels, index):
    maps = explanation.centred_evidence[index]  # (rows, cols, explained)
    limit = colour_limit(maps)
    for place, class_id in enumerate(explanation.class_ids[index]):
        probability = explanation.probabilities[index, class_id]
        logit = explanation.logits[index, class_id]
        numbers = f"p = {probability:.3f}  ·  logit {_number(logit)}"
        axes = canvas.panel(1 + place, labels[class_id], numbers)
        draw_map(axes, image, maps[..., place], explanation.geometry, limit)
    bar = canvas.figure.colorbar(
        ScalarMappable(Normalize(-limit, limit), _COLOUR_MAP),
        cax=canvas.axes(canvas.layout.colour_bar),
        extend="both" if np.abs(maps).max() > limit else "neither",
        extendfrac=0.04,
    )
    bar.set_label("class-centred evidence (logits per patch)", size=10)
    bar.ax.tick_params(labelsize=10)


def _draw_strip(canvas, image, explanation, labels, index):
    layout, patches = canvas.layout, explanation.top_patches(index)
    label = labels[explanation.class_ids[index, 0]]
    total = explanation.centred_evidence[index, :, :, 0].mean()
    heading = f"patches that speak most for {label}"
    caption = (
        "evidence in logits, and share of the class-centred logit "
        f"{_number(total, '+')} (all patches together: 100 %)"
    )
    top = layout.strip_top
    canvas.text(MARGIN, top, heading, size=12, weight="bold")
    canvas.text(MARGIN, top + LINE, caption, size=11)
    for place, patch in enumerate(patches):
        box, tile = patch.box, layout.tile(place)
        axes = canvas.axes(tile)
        _draw_pixels(axes, image[box.top : box.bottom, box.left : box.right])
        evidence = f"{place + 1}:  {_number(patch.evidence, '+')}"
        share = f"{_number(100 * patch.share)} %"
        width = tile.right - tile.left
        top = tile.bottom + 6
        canvas.text(tile.left, top, evidence, width, size=11, weight="bold")
        canvas.text(tile.left, top + CAPTION_LINE, share, width, size=11)


def _draw_footer(canvas, explanation, index):
    classes = explanation.logits.shape[-1]
    error = explanation.relative_additivity_error[index]
    lines = (
        "Red speaks for a class and blue against it, compared with the mean "
        f"of the {classes} classes. Hatched: no patch is centred there.",
        "The mean of a class's patch logits is its logit: here within "
        f"{error:.0e} of the largest logit.",
    )
    for number, line in enumerate(lines):
        top = canvas.layout.footer_top + number * LINE
        canvas.text(MARGIN, top, line, size=10, color=_GREY)


def _draw_pixels(axes, image):
    """Draws an image such that its pixel j spans j to j + 1 on the axes."""
    height, width = image.shape[:2]
    shrunk = axes.bbox.width < width
    axes.imshow(
        image,
        extent=(0, width, height, 0),
        interpolation="antialiased" if shrunk else "nearest",
    )
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    axes.spines[:].set_color(_GREY)


def _number(value, sign="-") -> str:
    digits = ".3g" if abs(value) < 1000 else ".0f"
    return f"{value:{sign}{digits}}".replace("-", "−")


def _check_image(image, explanation):
    expected = explanation.centred_evidence.shape[1:3]
    grid_shape = explanation.geometry.grid_shape(*image.shape[:2])
    rgb = image.shape[2:] == (3,) and image.dtype == np.uint8
    if not rgb or grid_shape != expected:
        raise ValueError(
            f"image must be the explained one, of {expected} patches, as RGB "
            f"of uint8. Received: image.shape={image.shape}, "
            f"image.dtype={image.dtype}"
        )
