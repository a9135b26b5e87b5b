"""What is left of an image when its tiles are shuffled?

Which patches of a BagNet survive is geometry: one whose pixels lie in one tile
moves with it and sees what it saw, so its patch logits are the same ones
elsewhere, if tiles begin at multiples of the stride. Only patches that are cut
by borders between tiles can change a BagNet's decision.
"""

import numpy as np

from bagnet_tf.geometry import PatchGeometry


def shuffled_tiles(
    image: np.ndarray, tile_size: int, rng: np.random.Generator
) -> np.ndarray:
    """The image with its whole tiles in a random order.

    Args:
        image: (height, width, channels).
        tile_size: Side of a tile, pixels. What is left at the bottom and at
            the right stays where it is.
        rng: Of the order.

    Returns:
        As `image`.

    Raises:
        ValueError: If the image has fewer than two whole tiles.
    """
    rows, cols = (side // tile_size for side in image.shape[:2])
    if rows * cols < 2:
        raise ValueError(
            "tile_sizes must be so small that an image has two tiles. "
            f"Received: tile_size={tile_size} for {image.shape[:2]} pixels"
        )
    order = rng.permutation(rows * cols)
    shuffled = image.copy()
    for to, whence in enumerate(order):
        shuffled[_tile(to, cols, tile_size)] = image[
            _tile(whence, cols, tile_size)
        ]
    return shuffled


def cut_cells(
    geometry: PatchGeometry, image_shape: tuple[int, int], tile_size: int
) -> np.ndarray:
    """Which patches see pixels of more than one tile.

    Args:
        geometry: Of the patches.
        image_shape: (height, width), pixels.
        tile_size: Side of a tile, pixels.

    Returns:
        bool (rows, cols). What is left beside whole tiles counts as a tile of
        its own.
    """
    height, width = image_shape
    rows, cols = height // tile_size, width // tile_size
    tiles = np.full((height, width), rows * cols)
    whole = np.arange(rows * cols).reshape(rows, cols)
    whole = whole.repeat(tile_size, axis=0).repeat(tile_size, axis=1)
    tiles[: rows * tile_size, : cols * tile_size] = whole
    grid = geometry.grid_shape(height, width)
    cut = np.zeros(grid, bool)
    for row, col in np.ndindex(grid):
        top, left, bottom, right = geometry.box(row, col)
        cut[row, col] = np.ptp(tiles[top:bottom, left:right]) > 0
    return cut


def _tile(number, cols, size) -> tuple[slice, slice]:
    row, col = divmod(int(number), cols)
    return (
        slice(row * size, (row + 1) * size),
        slice(col * size, (col + 1) * size),
    )
