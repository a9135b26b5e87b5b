"""What does evidence look like on the original photo? At its resolution."""

import matplotlib
import numpy as np
from matplotlib.colors import Normalize

from bagnet_tf.colours import grey_values, shown_in_rgb
from bagnet_tf.rendering.maps import COLOUR_MAP

# Opacity of the colours at the end of the scale.
_OPACITY = 0.75
# How much of the photo is left where there is no evidence.
_FADED = 0.35


def overlay_on_photo(
    photo: np.ndarray, evidence: np.ndarray, limit: float
) -> np.ndarray:
    """Colours a photo by the evidence at each of its pixels.

    The photo becomes grey, so that its own colours are not taken for
    evidence; the stronger the evidence, the more its colour covers. Where
    there is none (outside the crop, or where no patch is centred), the photo
    keeps its colours but fades.

    Args:
        photo: RGB or grey, uint8 (height, width, 3 or 1).
        evidence: Of the photo's size, logits, NaN where there is none: from
            `bagnet_tf.photo_maps.map_on_photo`.
        limit: End of the symmetric colour scale, logits.

    Returns:
        RGB, uint8, of the photo's size.

    Raises:
        ValueError: If `evidence` is not of the photo's size.

    Example:
        >>> Image.fromarray(overlay_on_photo(photo, evidence, limit=8.0))
    """
    if evidence.shape != photo.shape[:2]:
        raise ValueError(
            f"evidence must have the photo's size {photo.shape[:2]}. "
            f"Received: evidence.shape={evidence.shape}"
        )
    unseen = np.isnan(evidence)
    values = np.where(unseen, 0, evidence)
    colours = matplotlib.colormaps[COLOUR_MAP](
        Normalize(-limit, limit)(values), bytes=True
    )[..., :3]
    opacity = _OPACITY * np.minimum(np.abs(values) / limit, 1)
    opacity = opacity[..., None].astype(np.float32)
    drawn = grey_values(photo)[..., None] * (1 - opacity) + colours * opacity
    faded = 255 - _FADED * (255 - shown_in_rgb(photo).astype(np.float32))
    drawn = np.where(unseen[..., None], faded, drawn)
    return drawn.round().astype(np.uint8)
