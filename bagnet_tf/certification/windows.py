"""Which grid cells can one patch reach, and what do windows of cells sum to?

Wherever a patch lies, all cells that see it are in a *window* of fixed size.
A smaller patch reaches no more cells, so one window size stands for all
patches up to a size.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from bagnet_tf.geometry import PatchGeometry

# Float32 numbers of one intermediate array, 64 MiB: bounds memory.
_MOST_VALUES = 1 << 24


def patch_shape(
    patch_size: int | tuple[int, int],
    geometry: PatchGeometry,
    grid_shape: tuple[int, int],
) -> tuple[int, int]:
    """The (height, width) of a patch that the images can have, pixels.

    Args:
        patch_size: Side of a square, or (height, width), pixels of the
            model's input.
        geometry: Receptive field and stride.
        grid_shape: (rows, cols) of the grid.

    Raises:
        ValueError: If it is no size, or larger than every image that has such
            a grid.
    """
    sides = np.asarray(patch_size)
    whole = sides.dtype.kind in "iu" and sides.shape in ((), (2,))
    if not whole or sides.min() < 1:
        raise ValueError(
            "patch_size must be a whole number of pixels, at least 1, or "
            f"(height, width). Received: patch_size={patch_size!r}"
        )
    height, width = np.broadcast_to(sides, 2).tolist()
    largest = [
        geometry.receptive_field + cells * geometry.stride - 1
        for cells in grid_shape
    ]
    if height > largest[0] or width > largest[1]:
        raise ValueError(
            f"patch_size must fit into the image, at most {largest[0]}x"
            f"{largest[1]} pixels with a grid of {grid_shape[0]}x"
            f"{grid_shape[1]} patches. Received: patch_size={patch_size!r}"
        )
    return height, width


def window_shape(
    patch_size: int | tuple[int, int],
    geometry: PatchGeometry,
    grid_shape: tuple[int, int],
) -> tuple[int, int]:
    """The smallest window that holds all cells that any such patch reaches.

    Args:
        patch_size: Side of a square, or (height, width), pixels of the
            model's input.
        geometry: Receptive field and stride.
        grid_shape: (rows, cols) of the grid.

    Returns:
        (rows, cols) of the window, grid cells: ceil((patch + receptive field
        - 1) / stride), or all there are.

    Raises:
        ValueError: See `patch_shape`.

    Example:
        >>> window_shape(32, PatchGeometry(17, 8), (26, 26))
        (6, 6)

    Source: Xiang et al., PatchGuard, USENIX Security 2021, equation 1.
    """
    sides = patch_shape(patch_size, geometry, grid_shape)
    reach = geometry.receptive_field - 1
    rows, cols = (
        min(-(-(side + reach) // geometry.stride), cells)
        for side, cells in zip(sides, grid_shape, strict=True)
    )
    return rows, cols


def box_sums(values: tf.Tensor, window: tuple[int, int]) -> tf.Tensor:
    """The sum over every window, at every grid position.

    Two poolings, one an axis: faster than cumulative sums, and nothing large
    is subtracted.

    Args:
        values: Float32 (batch, rows, cols, classes).
        window: (rows, cols) of the window.

    Returns:
        Float32 (batch, rows - window rows + 1, cols - window cols + 1,
        classes).
    """
    height, width = window
    means = tf.nn.avg_pool2d(values, (height, 1), 1, "VALID")
    means = tf.nn.avg_pool2d(means, (1, width), 1, "VALID")
    return means * float(height * width)


def side_by_side(values: tf.Tensor, window: tuple[int, int]) -> tf.Tensor:
    """The sums over windows that do not overlap: few, and so quickly found.

    Args:
        values: Float32 (batch, rows, cols, classes).
        window: (rows, cols) of the window.

    Returns:
        Float32 (batch, rows // window rows, cols // window cols, classes).
    """
    means = tf.nn.avg_pool2d(values, window, window, "VALID")
    return means * float(window[0] * window[1])


def largest_outside(
    maps: tf.Tensor, window: tuple[int, int], overlapping: bool = False
) -> tf.Tensor:
    """The most that a second window holds of what a first one does not.

    Args:
        maps: Float32 (maps, rows, cols).
        window: (rows, cols) of both windows.
        overlapping: Whether only second windows count that share a cell with
            the first.

    Returns:
        Float32 (maps, window rows, window cols): for each first window w1 the
        maximum over all windows w2 of the sum over w2 without w1.
    """
    sums = box_sums(maps[..., None], window)[..., 0]
    shared = [
        _shared_cells(cells, side)
        for cells, side in zip(maps.shape[1:], window, strict=True)
    ]
    (rows, cols), (height, width) = sums.shape[1:], maps.shape[1:]
    # Of the pairs of windows (row 1, row 2, col 1, col 2), so many rows 1 and
    # maps at once.
    at_once = min(max(_MOST_VALUES // (rows * cols * cols), 1), rows)
    num_maps = max(_MOST_VALUES // (at_once * rows * cols * cols), 1)
    of_cols = tf.constant(shared[1].reshape(-1, width).T)

    def block(first, these, these_sums):
        some = shared[0][first : first + at_once]
        of_rows = tf.constant(some.reshape(-1, height))
        within = tf.matmul(tf.matmul(of_rows, these), of_cols)
        within = tf.reshape(within, (-1, len(some), rows, cols, cols))
        beyond = these_sums[:, None, :, None, :] - within
        if overlapping:
            meets_rows = some.any(axis=-1)[:, :, None, None]
            meets = meets_rows & shared[1].any(axis=-1)
            beyond = tf.where(meets, beyond, -np.inf)
        return tf.reduce_max(tf.reduce_max(beyond, axis=4), axis=2)

    blocks = [
        tf.concat(
            [
                block(row, maps[n : n + num_maps], sums[n : n + num_maps])
                for row in range(0, rows, at_once)
            ],
            axis=1,
        )
        for n in range(0, maps.shape[0], num_maps)
    ]
    return tf.concat(blocks, axis=0) if blocks else sums


def _shared_cells(cells: int, side: int) -> np.ndarray:
    """Which cells of an axis are in two windows, float32 (first, second, cell).

    A matrix product with it sums over what two windows share.
    """
    starts = np.arange(cells - side + 1)[:, None]
    inside = (np.arange(cells) >= starts) & (np.arange(cells) < starts + side)
    return (inside[:, None] & inside[None]).astype(np.float32)


def images_at_once(shape: tf.TensorShape | Sequence[int]) -> int:
    """How many images of patch logits (rows, cols, classes) bound memory."""
    return max(_MOST_VALUES // 2 // int(np.prod(shape)), 1)
