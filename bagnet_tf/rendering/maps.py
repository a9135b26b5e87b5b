"""In which colours, and where, is a map of evidence drawn?"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from bagnet_tf.colours import (
    GREY,
    NO_EVIDENCE,
    NO_EVIDENCE_HATCH,
    SHADE,
    grey_values,
    shown_in_rgb,
)

# Diverging, readable with every kind of colour vision; red speaks for a class.
COLOUR_MAP = "RdBu_r"

_NO_EVIDENCE = {"fc": NO_EVIDENCE, "ec": NO_EVIDENCE_HATCH, "hatch": "//"}


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
    shade[..., 3] = SHADE * (grey.max() - grey) / 255
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
    axes.spines[:].set_color(GREY)
