"""Which colours have pictures, and how strong are those of a map?"""

import numpy as np

# Where the colour scale ends, of the absolute values.
SCALE_PERCENTILE = 99
# How much the darkest pixel of the photo darkens the map above it.
SHADE = 0.4

# Of lesser text, and of frames.
GREY = "#555555"
# Of boxes around patches.
BOX_COLOUR = "#ffd500"
# Ground and hatching where no patch is centred: there is no evidence, and
# white would say "0".
NO_EVIDENCE = "#dddddd"
NO_EVIDENCE_HATCH = "#b4b4b4"


def colour_limit(
    maps: np.ndarray, percentile: float = SCALE_PERCENTILE
) -> float:
    """End of the symmetric colour scale that all `maps` share, logits.

    The 99th percentile of the absolute values, so that a single extreme cell
    does not make all others pale. Cells beyond it get the end colour, and
    the colour bar says so with pointed ends. Where that percentile is 0: the
    largest absolute value; where that is 0: 1.
    """
    magnitudes = np.abs(maps)
    limit = np.percentile(magnitudes, percentile)
    return float(limit or magnitudes.max() or 1.0)


def shown_in_rgb(image: np.ndarray) -> np.ndarray:
    """An image of three channels, or of one for grey, as RGB."""
    return np.broadcast_to(image, (*image.shape[:2], 3))


def grey_values(image: np.ndarray) -> np.ndarray:
    """(height, width), float32, of an image that is RGB or grey."""
    weights = np.float32([0.299, 0.587, 0.114])
    return shown_in_rgb(image).astype(np.float32) @ weights
