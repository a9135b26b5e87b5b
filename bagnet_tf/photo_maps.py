"""Where does a map lie on the original photo? Back through crop and resize."""

import numpy as np

from bagnet_tf.preprocessing import CropTransform


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
            `bagnet_tf.layout.map_extent` or `dense_extent`.
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
