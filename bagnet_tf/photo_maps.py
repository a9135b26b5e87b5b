"""Where does a map lie on the model's input, and on the original photo?"""

import numpy as np

from bagnet_tf.layout import dense_extent
from bagnet_tf.photos import CropTransform


def to_the_rim(
    dense: np.ndarray, stride: int
) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """A padded dense map that covers every pixel of its image.

    Its last row and column are repeated: pixels after the last patch centre
    take the value of the nearest patch too.

    Args:
        dense: (rows, cols, ...), logits.
        stride: Distance between neighbouring patches, pixels.

    Returns:
        (rows + 1, cols + 1, ...), and where it lies: (left, right, bottom,
        top), pixels of the image.
    """
    rest = [(0, 0)] * (dense.ndim - 2)
    values = np.pad(dense, [(0, 1), (0, 1), *rest], mode="edge")
    return values, dense_extent(stride, values.shape[:2])


def map_on_photo(
    evidence: np.ndarray,
    extent: tuple[float, float, float, float],
    transform: CropTransform,
    input_shape: tuple[int, int],
) -> np.ndarray:
    """A map in the pixels of the photo, without smoothing.

    Args:
        evidence: (rows, cols), logits.
        extent: (left, right, bottom, top) of the map in input pixels, from
            `bagnet_tf.layout.map_extent` or `to_the_rim`.
        transform: Where the model's input lies in the photo.
        input_shape: (height, width) of the model's input, pixels.

    Returns:
        float32, of the photo's size: at each of its pixels the evidence of
        the cell that lies there, NaN where there is none.

    Example:
        >>> extent = map_extent(explanation.geometry, evidence.shape)
        >>> map_on_photo(evidence, extent, photo.transform, (224, 224))
    """
    left, right, bottom, top = extent
    axes = zip(
        transform.photo_shape,
        transform.resized_shape,
        (transform.top, transform.left),
        input_shape,
        (top, left),
        (bottom, right),
        evidence.shape,
        strict=True,
    )
    (rows, seen_rows), (cols, seen_cols) = (_cells(*axis) for axis in axes)
    values = evidence[np.ix_(rows, cols)].astype(np.float32)
    return np.where(np.outer(seen_rows, seen_cols), values, np.nan)


def _cells(photo_size, resized_size, start, input_size, first, last, count):
    """The cell of each photo pixel along one axis, and whether there is one."""
    middles = (np.arange(photo_size) + 0.5) * resized_size / photo_size - start
    cells = np.floor((middles - first) * count / (last - first)).astype(int)
    seen = (cells >= 0) & (cells < count)
    seen &= (middles >= 0) & (middles < input_size)
    return cells.clip(0, count - 1), seen
