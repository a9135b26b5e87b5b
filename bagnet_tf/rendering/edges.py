"""Where are the edges of a photo? A small Canny filter, in NumPy."""

import numpy as np

# As fractions of the photo's steepest gradient.
_LOW, _HIGH = 0.08, 0.2
# Neighbour (row, column) along the gradient, by its direction in steps of 45
# degrees.
_NEIGHBOURS = ((0, 1), (1, 1), (1, 0), (1, -1))


def photo_edges(image: np.ndarray, sigma: float = 1.0) -> np.ndarray:
    """Finds the edges of a photo: thin lines of steep brightness.

    Gaussian smoothing; gradients; only the steepest pixel across an edge is
    kept; then those above 20 % of the steepest gradient, and those above 8 %
    that are connected to one of them.

    Args:
        image: RGB or grey, (height, width, 3) or (height, width).
        sigma: Width of the smoothing, pixels.

    Returns:
        bool (height, width).

    Raises:
        ValueError: If `image` has another rank, or `sigma` is not positive.

    Example:
        >>> photo_edges(image).mean()  # The part of the photo that is edge.

    Source: Canny, A computational approach to edge detection, PAMI 1986.
    """
    if image.ndim not in (2, 3):
        raise ValueError(
            "image must be (height, width, 3) or (height, width). "
            f"Received: image.shape={image.shape}"
        )
    if not sigma > 0:
        raise ValueError(f"sigma must be positive. Received: sigma={sigma}")
    grey = image.astype(np.float64)
    grey = grey.mean(axis=-1) if grey.ndim == 3 else grey
    down, right = (_difference(_smoothed(grey, sigma), axis) for axis in (0, 1))
    steepness = np.hypot(down, right)
    crest = steepness * _is_crest(steepness, down, right)
    steepest = crest.max(initial=0)
    # Rounding errors of a flat photo are no edges.
    if steepest < 1e-6 * max(1.0, np.abs(grey).max(initial=0)):
        return np.zeros(grey.shape, bool)
    return _connected_to(crest > _HIGH * steepest, crest > _LOW * steepest)


def _smoothed(grey, sigma):
    radius = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        rim = [(radius, radius) if a == axis else (0, 0) for a in (0, 1)]
        padded = np.pad(grey, rim, mode="edge")
        grey = np.apply_along_axis(np.convolve, axis, padded, kernel, "valid")
    return grey


def _difference(grey, axis):
    """Central difference along one axis, 0 beyond the photo's rim."""
    rim = [(1, 1) if a == axis else (0, 0) for a in (0, 1)]
    padded = np.pad(grey, rim, mode="edge")
    size = grey.shape[axis]
    following = np.take(padded, range(2, size + 2), axis)
    return (following - np.take(padded, range(size), axis)) / 2


def _is_crest(steepness, down, right):
    """Whether no neighbour across the edge is steeper."""
    angle = np.round(np.arctan2(down, right) / (np.pi / 4)).astype(int) % 4
    crest = np.zeros(steepness.shape, bool)
    for direction, (row, col) in enumerate(_NEIGHBOURS):
        # Of two equal neighbours only one is kept.
        highest = (steepness >= _shifted(steepness, row, col)) & (
            steepness > _shifted(steepness, -row, -col)
        )
        crest |= (angle == direction) & highest
    return crest


def _connected_to(strong, weak):
    """The weak pixels that a chain of weak ones connects to a strong one."""
    while True:
        wider = strong.copy()
        for row in (-1, 0, 1):
            for col in (-1, 0, 1):
                wider |= _shifted(strong, row, col)
        wider &= weak
        if (wider == strong).all():
            return strong
        strong = wider


def _shifted(values, row, col):
    """At each pixel the value `row` below and `col` to the right; rim: 0."""
    height, width = values.shape
    padded = np.pad(values, 1)
    return padded[1 + row : 1 + row + height, 1 + col : 1 + col + width]
