"""How is a glyph drawn?

A shape is a list of strokes; a stroke is a straight line, or an arc, through
the middle of a brush 2 pixels wide. Coordinates (x, y) are in units of a
twelfth of the square that holds the glyph, x to the right and y downwards.
"""

import functools
import itertools

import numpy as np

BRUSH_RADIUS = 1.0  # Pixels.


def _arc(x, y, radius, first=0, last=360, pieces=16):
    """Returns the chords of an arc; angles in degrees, from x towards y."""
    angles = np.deg2rad(np.linspace(first, last, pieces + 1))
    return _path(
        *zip(
            x + radius * np.cos(angles),
            y + radius * np.sin(angles),
            strict=True,
        )
    )


def _path(*points):
    """Returns the lines from point to point."""
    return [(*a, *b) for a, b in zip(points, points[1:], strict=False)]


def _dots(*points):
    return [(*point, *point) for point in points]


def _shape(*strokes):
    """Returns strokes as an array (strokes, 4) of x0, y0, x1, y1."""
    return np.array([line for stroke in strokes for line in stroke], float)


CLASS_SHAPES = {
    "plus": _shape(_path((6, 2), (6, 10)), _path((2, 6), (10, 6))),
    "cross": _shape(_path((2, 2), (10, 10)), _path((10, 2), (2, 10))),
    "ring": _shape(_arc(6, 6, 3.8)),
    "square": _shape(
        _path((2.5, 2.5), (9.5, 2.5), (9.5, 9.5), (2.5, 9.5), (2.5, 2.5))
    ),
    "triangle": _shape(_path((6, 2), (10.5, 9.8), (1.5, 9.8), (6, 2))),
    "arrow": _shape(_path((6, 2), (6, 10)), _path((2, 6), (6, 2), (10, 6))),
    "letter H": _shape(
        _path((2.5, 2), (2.5, 10)),
        _path((9.5, 2), (9.5, 10)),
        _path((2.5, 6), (9.5, 6)),
    ),
    "letter U": _shape(_path((2.5, 2), (2.5, 10), (9.5, 10), (9.5, 2))),
    "letter Z": _shape(_path((2, 2), (10, 2), (2, 10), (10, 10))),
    "letter E": _shape(
        _path((9, 2), (3, 2), (3, 10), (9, 10)), _path((3, 6), (8, 6))
    ),
}

# Pieces of the same kinds as those of the classes, joined otherwise.
DISTRACTOR_SHAPES = {
    "three bars": _shape(
        _path((2, 2), (10, 2)), _path((2, 6), (10, 6)), _path((2, 10), (10, 10))
    ),
    "two slashes": _shape(_path((2, 8), (8, 2)), _path((4, 10), (10, 4))),
    "two posts": _shape(_path((3.5, 2), (3.5, 10)), _path((8.5, 2), (8.5, 10))),
    "chevron": _shape(_path((4, 2), (9, 6), (4, 10))),
    "corner": _shape(_path((2.5, 2), (2.5, 10), (10, 10)), _dots((8, 4))),
    "wave": _shape(_arc(6, 4, 2.3, -300, -90), _arc(6, 8.4, 2.3, -90, 120)),
    "brackets": _shape(
        _arc(7, 6, 4.5, 130, 230, 8), _arc(5, 6, 4.5, -50, 50, 8)
    ),
    "four dots": _shape(_dots((3, 3), (9, 3), (3, 9), (9, 9))),
}


_SHIFTS = (-0.5, 0.0, 0.5)  # Pixels.
_ANGLES = (-0.12, 0.0, 0.12)  # Radians.


@functools.cache
def drawings(name: str, size: int) -> np.ndarray:
    """Returns a glyph or distractor, shifted and turned a little.

    Args:
        name: A key of `CLASS_SHAPES` or `DISTRACTOR_SHAPES`.
        size: Side of the square to draw in, pixels.

    Returns:
        How much of each pixel is covered, float64 `(drawings, size, size)`,
        0-1; read-only.
    """
    shape = (CLASS_SHAPES | DISTRACTOR_SHAPES)[name]
    stack = np.stack(
        [
            _coverage(shape, size, np.array(shift), angle)
            for shift in itertools.product(_SHIFTS, repeat=2)
            for angle in _ANGLES
        ]
    )
    stack.flags.writeable = False
    return stack


def _coverage(shape, size, shift, angle):
    """Returns how much of each pixel of a square a shape covers."""
    turn = np.array(
        [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    )
    middle = size / 2
    ends = (shape.reshape(-1, 2, 2) * (size / 12) - middle) @ turn
    ends += middle + shift
    start, along = ends[:, :1], ends[:, 1:] - ends[:, :1]  # (strokes, 1, 2)
    centres = np.arange(size) + 0.5
    x, y = np.meshgrid(centres, centres)
    pixels = np.stack([x.ravel(), y.ravel()], axis=-1)  # (pixels, 2)
    # The nearest point of each stroke to each pixel: (strokes, pixels).
    length2 = np.maximum(np.sum(along**2, axis=-1), 1e-9)
    part = np.sum((pixels - start) * along, axis=-1) / length2
    part = np.clip(part, 0.0, 1.0)[:, :, np.newaxis]
    distance = np.linalg.norm(pixels - start - part * along, axis=-1).min(
        axis=0
    )
    return np.clip(BRUSH_RADIUS + 0.5 - distance, 0.0, 1.0).reshape(size, size)
