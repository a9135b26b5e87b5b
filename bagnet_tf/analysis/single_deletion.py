"""Does a map order an image's parts as their removal, one by one, does?

The protocol of IDSDS (Hesse et al., "Benchmarking the Attribution Quality of
Vision Models", NeurIPS 2024 [recalled, not read]): the image is cut into a
grid of squares, each alone is removed, and the drop of the class's score is
rank-correlated with the sum of the map over the square. One square of sixteen
leaves most of an image as it was. There the network is trained further with
such images, so that they are not foreign to it; here it is as it is, and the
removed square shows the mean colour of the image.
"""

from collections.abc import Callable

import numpy as np

from bagnet_tf.analysis.rank_correlation import rank_agreement
from bagnet_tf.analysis.squares import square_grid, square_sums, without_squares

GRID = 4  # Squares on a side.


def deletion_drops(
    score: Callable[[np.ndarray], np.ndarray], image: np.ndarray
) -> np.ndarray:
    """By how much a score falls when one square alone is removed.

    Args:
        score: Takes images (batch, height, width, channels), gives numbers
            (batch,).
        image: (height, width, channels).

    Returns:
        (rows, cols) of the squares.
    """
    side = min(image.shape[:2]) // GRID
    rows, cols = square_grid(image.shape[:2], side)
    removed = np.eye(rows * cols, dtype=bool).reshape(-1, rows, cols)
    images = np.broadcast_to(image, (rows * cols, *image.shape))
    after = score(without_squares(images, removed, side))
    before = score(np.asarray(image, np.float32)[None])[0]
    return (before - after).reshape(rows, cols)


def deletion_agreement(heatmap: np.ndarray, drops: np.ndarray) -> float | None:
    """Spearman's correlation of a map's squares with the drops.

    Args:
        heatmap: (height, width); where it is NaN it says nothing.
        drops: Of `deletion_drops`.

    Returns:
        See `rank_agreement`.
    """
    side = min(heatmap.shape) // GRID
    sums = square_sums(heatmap[None], side)[0]
    return rank_agreement(sums.ravel(), drops.ravel())
