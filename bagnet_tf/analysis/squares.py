"""What does a map say of the squares of an image, and what if they go?

An image is cut into squares that do not overlap, from its top left corner; a
rest at the bottom or the right belongs to none.
"""

import numpy as np


def square_sums(maps: np.ndarray, side: int) -> np.ndarray:
    """Adds a map up over each square.

    Args:
        maps: (batch, height, width). NaN, where a map says nothing, counts as
            nothing.
        side: Of a square, pixels.

    Returns:
        float64 (batch, rows, cols).

    Raises:
        ValueError: If not one square fits.
    """
    rows, cols = square_grid(maps.shape[1:], side)
    whole = maps[:, : rows * side, : cols * side].astype(np.float64)
    squares = np.nan_to_num(whole).reshape(-1, rows, side, cols, side)
    return squares.sum(axis=(2, 4))


def square_grid(
    image_shape: tuple[int, int], patch_size: int
) -> tuple[int, int]:
    """Rows and columns of squares in an image.

    Raises:
        ValueError: If not one square fits.
    """
    height, width = image_shape
    if not 1 <= patch_size <= min(height, width):
        raise ValueError(
            f"patch_size must be in [1, {min(height, width)}], pixels of the "
            f"image. Received: patch_size={patch_size}"
        )
    return height // patch_size, width // patch_size


def ranks(sums: np.ndarray) -> np.ndarray:
    """The place of each square in the order of its sum, 0 the largest.

    Args:
        sums: (batch, rows, cols).

    Returns:
        int, of the same shape. Of equal sums, those further up and left come
        first.
    """
    flat = sums.reshape(len(sums), -1)
    order = np.argsort(-flat, axis=1, kind="stable")
    return np.argsort(order, axis=1, kind="stable").reshape(sums.shape)


def without_squares(
    images: np.ndarray, removed: np.ndarray, side: int
) -> np.ndarray:
    """Images in which some squares show the mean colour of the image.

    Args:
        images: (batch, height, width, channels).
        removed: Which squares, bool (batch, rows, cols).
        side: Of a square, pixels.

    Returns:
        float32, of the images' shape.
    """
    images = np.asarray(images, np.float32)
    pixels = removed.repeat(side, axis=1).repeat(side, axis=2)
    rest = [
        (0, size - covered)
        for size, covered in zip(
            images.shape[1:3], pixels.shape[1:], strict=True
        )
    ]
    pixels = np.pad(pixels, [(0, 0), *rest])[..., np.newaxis]
    means = images.mean(axis=(1, 2), keepdims=True)
    return np.where(pixels, means, images)
