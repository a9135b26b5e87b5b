"""What does a heatmap look like in the paper's style? Over a photo's edges."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bagnet_tf.colours import SCALE_PERCENTILE, colour_limit
from bagnet_tf.geometry import PatchGeometry
from bagnet_tf.layout import map_extent
from bagnet_tf.photo_maps import to_the_rim
from bagnet_tf.rendering.edges import photo_edges
from bagnet_tf.rendering.maps import draw_colours, draw_pixels


def plot_heatmap(
    heatmap: np.ndarray,
    image: np.ndarray,
    geometry: PatchGeometry | None = None,
    stride: int = 1,
    axes: Axes | None = None,
    percentile: float = SCALE_PERCENTILE,
    edge_opacity: float = 0.5,
) -> Axes:
    """Draws a heatmap as the paper does: red and blue, over the photo's edges.

    The colour scale is symmetric, up to a percentile of the absolute values.
    The edges are dark lines; the photo itself is not shown, so that its
    colours are not taken for evidence.

    Args:
        heatmap: Evidence, (rows, cols), logits: a padded dense map, or with
            `geometry` a grid of whole patches.
        image: What the model saw, RGB or grey: (height, width, 3), or
            (height, width, 1), or (height, width).
        geometry: Receptive field and stride of a grid of whole patches, such
            as `Explanation.geometry`. Where no patch is centred: hatched.
        stride: Without `geometry`: the stride of the dense map, pixels.
        axes: Where to draw; by default on a figure of its own, of the size of
            the photo.
        percentile: Where the colour scale ends, of the absolute values.
        edge_opacity: Opacity of the edges, 0 to 1; 0 for none.

    Returns:
        The axes, in pixels of the image: `axes.figure.savefig("map.png")`.

    Raises:
        ValueError: If the heatmap does not belong to an image of that size.

    Example:
        >>> maps = bagnet_tf.dense_heatmap(model, image[None], class_ids=[3])
        >>> plot_heatmap(maps[0, :, :, 0], image).figure.savefig("map.png")

    Source: Brendel & Bethge 2019, figure of heatmaps; their `plot_heatmap`
    uses the Canny filter of scikit-image, ours is `bagnet_tf.rendering.edges`.
    """
    placed, extent = _placed(heatmap, image, geometry, stride)
    limit = colour_limit(heatmap, percentile)
    axes = axes or _own_axes(image.shape)
    draw_colours(axes, placed, extent, limit)
    lines = np.zeros((*image.shape[:2], 4), np.float32)
    lines[..., 3] = edge_opacity * photo_edges(image)
    draw_pixels(axes, lines)
    return axes


def _placed(heatmap, image, geometry, stride):
    if geometry is not None:
        expected = geometry.grid_shape(*image.shape[:2])
    else:
        expected = tuple(-(-side // stride) for side in image.shape[:2])
    if heatmap.shape != expected:
        raise ValueError(
            f"heatmap must be {expected} (rows, cols) for an image of "
            f"{image.shape[:2]} pixels. "
            f"Received: heatmap.shape={heatmap.shape}"
        )
    if geometry is not None:
        return heatmap, map_extent(geometry, heatmap.shape)
    return to_the_rim(heatmap, stride)


def _own_axes(image_shape) -> Axes:
    """Axes that fill a figure: each pixel of the image is whole pixels."""
    height, width = image_shape[:2]
    scale = max(1, round(448 / max(height, width)))
    figure = Figure((width * scale / 100, height * scale / 100), dpi=100)
    FigureCanvasAgg(figure)
    return figure.add_axes((0, 0, 1, 1))
