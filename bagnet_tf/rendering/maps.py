"""In which colours, and where, is a map of evidence drawn?"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

# Where the colour scale ends, of the absolute values.
SCALE_PERCENTILE = 99
# Diverging, readable with every kind of colour vision; red speaks for a class.
COLOUR_MAP = "RdBu_r"

# How much the darkest pixel of the photo darkens the map above it.
_SHADE = 0.4
# Where no patch is centred there is no evidence; white would say "0".
_NO_EVIDENCE = {"fc": "#dddddd", "ec": "#b4b4b4", "hatch": "//"}
_FRAME_COLOUR = "#555555"


def colour_limit(
    maps: np.ndarray, percentile: float = SCALE_PERCENTILE
) -> float:
    """End of the symmetric colour scale that all `maps` share, logits.

    The 99th percentile of the absolute values, so that a single extreme cell
    does not make all others pale. Cells beyond it get the end colour, and
    the colour bar says so with pointed ends. Where that percentile is 0: the
    largest absolute value; where that is 0: 1.
    """
    magnitudes = np.abs(maps)
    limit = np.percentile(magnitudes, percentile)
    return float(limit or magnitudes.max() or 1.0)


def shown_in_rgb(image: np.ndarray) -> np.ndarray:
    """An image of three channels, or of one for grey, as RGB."""
    return np.broadcast_to(image, (*image.shape[:2], 3))


def grey_values(image: np.ndarray) -> np.ndarray:
    """(height, width), float32, of an image that is RGB or grey."""
    weights = np.float32([0.299, 0.587, 0.114])
    return shown_in_rgb(image).astype(np.float32) @ weights


def draw_map(
    axes: Axes,
    image: np.ndarray,
    evidence: np.ndarray,
    extent: tuple[float, float, float, float],
    limit: float,
) -> None:
    """Draws one class's map, shaded by the photo so that one sees where.

    The shading multiplies the map's colours by the photo's grey values, the
    brightest being 1; cells are not smoothed. The rim where no patch is
    centred is hatched.

    Args:
        axes: Where to draw; its units become pixels of the image.
        image: RGB or grey, uint8 (height, width, 3 or 1).
        evidence: (rows, cols), logits.
        extent: (left, right, bottom, top) of the map in pixels of the image.
        limit: End of the symmetric colour scale, logits.
    """
    draw_colours(axes, evidence, extent, limit)
    # Black with an opacity is exactly a multiplication of the colours.
    grey = grey_values(image)
    shade = np.zeros((*grey.shape, 4), np.float32)
    shade[..., 3] = _SHADE * (grey.max() - grey) / 255
    draw_pixels(axes, shade)


def draw_colours(
    axes: Axes,
    evidence: np.ndarray,
    extent: tuple[float, float, float, float],
    limit: float,
) -> None:
    """Draws a map alone, on a ground that is hatched where there is none."""
    axes.patch.set(**_NO_EVIDENCE)
    axes.imshow(
        evidence,
        extent=extent,
        cmap=COLOUR_MAP,
        norm=Normalize(-limit, limit),
        interpolation="nearest",
    )


def draw_pixels(axes: Axes, image: np.ndarray) -> None:
    """Draws an image such that its pixel j spans j to j + 1 on the axes."""
    height, width = image.shape[:2]
    shrunk = axes.bbox.width < width
    axes.imshow(
        shown_in_rgb(image) if image.shape[-1] == 1 else image,
        extent=(0, width, height, 0),
        interpolation="antialiased" if shrunk else "nearest",
    )
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    axes.spines[:].set_color(_FRAME_COLOUR)
