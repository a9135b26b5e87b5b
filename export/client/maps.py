"""Which colour has each pixel of a drawn map? Arrays only."""

import numpy as np

from bagnet_tf.colours import (
    NO_EVIDENCE,
    NO_EVIDENCE_HATCH,
    SHADE,
    grey_values,
)

# matplotlib's RdBu_r: ColorBrewer's eleven colours, blue to red.
_COLOURS = (
    0x053061, 0x2166AC, 0x4393C3, 0x92C5DE, 0xD1E5F0, 0xF7F7F7,
    0xFDDBC7, 0xF4A582, 0xD6604D, 0xB2182B, 0x67001F,
)  # fmt: skip
_NUM_COLOURS = 256

# Of the lines where there is no evidence, pixels of the picture.
_HATCH_STEP, _HATCH_WIDTH = 18, 2


def map_pixels(
    shown: np.ndarray,
    image_shape: tuple[int, ...],
    evidence: np.ndarray,
    extent: tuple[float, float, float, float],
    limit: float,
) -> np.ndarray:
    """One class's map, shaded by the image, in the size of a panel.

    The shading multiplies the map's colours by the image's grey values, the
    brightest being 1; cells are not smoothed. The rim where no patch is
    centred is hatched.

    Args:
        shown: The image in the size of the panel, RGB, uint8
            (height, width, 3).
        image_shape: (height, width, ...) of the image itself.
        evidence: (rows, cols), logits.
        extent: (left, right, bottom, top) of the map in pixels of the image,
            from `bagnet_tf.layout.map_extent`.
        limit: End of the symmetric colour scale, logits.

    Returns:
        RGB, uint8, of the panel's size.
    """
    left, right, bottom, top = extent
    sides = zip(
        shown.shape[:2],
        image_shape[:2],
        (top, left),
        (bottom, right),
        evidence.shape,
        strict=True,
    )
    (rows, seen_rows), (cols, seen_cols) = (_cells(*side) for side in sides)
    drawn = colours_of(evidence, limit)[np.ix_(rows, cols)]
    seen = np.outer(seen_rows, seen_cols)[..., None]
    drawn = np.where(seen, drawn, _hatched(shown.shape[:2]))
    grey = grey_values(shown)[..., None]
    kept = 1 - SHADE * (grey.max() - grey) / 255
    return (drawn * kept).round().astype(np.uint8)


def colours_of(evidence: np.ndarray, limit: float) -> np.ndarray:
    """The colours of evidence: blue against a class, white, red for it.

    Args:
        evidence: (...,), logits.
        limit: End of the symmetric colour scale, logits.

    Returns:
        RGB, float (..., 3), whole numbers in 0-255.
    """
    anchors = np.array([[c >> 16, c >> 8 & 255, c & 255] for c in _COLOURS])
    steps = np.linspace(0, len(_COLOURS) - 1, _NUM_COLOURS)
    places = np.arange(len(_COLOURS))
    channels = [np.interp(steps, places, channel) for channel in anchors.T]
    table = np.stack(channels, axis=-1).round()
    position = (evidence / limit + 1) / 2 * _NUM_COLOURS
    return table[np.clip(position, 0, _NUM_COLOURS - 1).astype(int)]


def _cells(num_pixels, image_side, first, last, count):
    """The cell of each pixel of a panel along an axis; whether there is one."""
    middles = (np.arange(num_pixels) + 0.5) * image_side / num_pixels
    cells = np.floor((middles - first) * count / (last - first)).astype(int)
    return cells.clip(0, count - 1), (cells >= 0) & (cells < count)


def _hatched(shape: tuple[int, int]) -> np.ndarray:
    """Ground and diagonal lines, RGB (*shape, 3)."""
    rows, cols = np.indices(shape)
    lines = (rows + cols) % _HATCH_STEP < _HATCH_WIDTH
    colours = [
        tuple(bytes.fromhex(colour[1:]))
        for colour in (NO_EVIDENCE, NO_EVIDENCE_HATCH)
    ]
    return np.array(colours)[lines.astype(int)]
