"""Does the evidence lie where the truth lies? Heatmap scores against masks.

Hits are counted by the centre of a patch, not by its box: a box of 33 pixels
touches almost anything.
"""

import numpy as np

from bagnet_tf.geometry import PatchGeometry


def mask_at_centres(
    masks: np.ndarray, grid_shape: tuple[int, int], geometry: PatchGeometry
) -> np.ndarray:
    """Whether the centre of each patch lies in the mask.

    Args:
        masks: True evidence, bool (batch, height, width), input pixels.
        grid_shape: (rows, cols) of the grid.
        geometry: Receptive field and stride.

    Returns:
        bool (batch, rows, cols). Its mean is the chance that the centre of a
        random patch is a hit.

    Raises:
        ValueError: If the grid is not that of an image of the masks' size.
    """
    if geometry.grid_shape(*masks.shape[1:]) != tuple(grid_shape):
        raise ValueError(
            "masks must have the size of the images, so that their grid is "
            f"{tuple(grid_shape)}. Received: masks.shape={masks.shape}"
        )
    rows, cols = grid_shape
    ys = [geometry.centre(row, 0)[0] for row in range(rows)]
    xs = [geometry.centre(0, col)[1] for col in range(cols)]
    return masks[:, ys][:, :, xs]


def strongest_patch_hits(
    evidence: np.ndarray, masks: np.ndarray, geometry: PatchGeometry
) -> np.ndarray:
    """Whether the centre of the strongest patch lies in the mask.

    The pointing game (Zhang et al., ECCV 2016) on the grid of patches.

    Args:
        evidence: Class-centred evidence of one class, (batch, rows, cols).
        masks: True evidence, bool (batch, height, width), input pixels.
        geometry: Receptive field and stride.

    Returns:
        bool (batch,).

    Raises:
        ValueError: If the masks do not have the size of the images.
    """
    inside = mask_at_centres(masks, evidence.shape[1:], geometry)
    strongest = evidence.reshape(len(evidence), -1).argmax(axis=1)
    inside = inside.reshape(len(inside), -1)
    return inside[np.arange(len(inside)), strongest]
