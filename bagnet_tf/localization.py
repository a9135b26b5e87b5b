"""Where in the image does a cell's evidence lie: on the truth or beside it?

Hits are counted by the centre of a patch, not by its box: a box of 33 pixels
touches almost anything. Scores of whole maps, pixel by pixel, are in
`bagnet_tf.mask_scores`; `spread_to_pixels` brings a grid there.
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


def spread_to_pixels(
    evidence: np.ndarray, image_shape: tuple[int, int], geometry: PatchGeometry
) -> np.ndarray:
    """Brings a map on the grid to the pixels, to compare it with a mask.

    Each cell covers the stride x stride square about its patch's centre, as
    `bagnet_tf.layout.map_extent` draws it; the pixel midway between two cells
    (with an even stride) goes to the later one. In the rim, where no patch is
    centred, the map is NaN. The scores of `bagnet_tf.mask_scores` leave NaN
    pixels out of map and mask alike, as if the image ended there: what a mask
    has in the rim is neither found nor missed.

    Args:
        evidence: (batch, rows, cols).
        image_shape: (height, width) of the images, pixels.
        geometry: Receptive field and stride.

    Returns:
        Float (batch, height, width), with NaN in the rim.

    Raises:
        ValueError: If the grid is not that of an image of this size.

    Example:
        >>> geometry = PatchGeometry(receptive_field=9, stride=8)
        >>> spread_to_pixels(np.ones((1, 2, 2)), (24, 24), geometry).shape
        (1, 24, 24)
    """
    grid_shape = geometry.grid_shape(*image_shape)
    if evidence.ndim != 3 or evidence.shape[1:] != grid_shape:
        raise ValueError(
            f"evidence must be (batch, {grid_shape[0]}, {grid_shape[1]}), the "
            f"grid of an image of {tuple(image_shape)} pixels. "
            f"Received: evidence.shape={evidence.shape}"
        )
    before = (geometry.receptive_field - 1) // 2 - geometry.stride // 2

    def cells_of_pixels(length, cells):
        found = (np.arange(length) - before) // geometry.stride
        return np.where((found >= 0) & (found < cells), found, cells)

    of_row, of_col = map(cells_of_pixels, image_shape, grid_shape)
    # One more row and column of cells, which stand for the rim.
    rimmed = np.pad(evidence, ((0, 0), (0, 1), (0, 1)), constant_values=np.nan)
    return rimmed[:, of_row][:, :, of_col]


def centre_prior(grid_shape: tuple[int, int]) -> np.ndarray:
    """A map that looks at no image: a bell over the middle of the grid.

    Photographers put their objects there; a map that scores no better shows
    nothing about the network.

    Args:
        grid_shape: (rows, cols).

    Returns:
        (rows, cols), a Gaussian of maximum 1 with a standard deviation of a
        quarter of each side. Only `relevance_mass_accuracy` and
        `energy_pointing_game` depend on its width.
    """
    bells = [
        np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / (n / 4)) ** 2)
        for n in grid_shape
    ]
    return np.outer(*bells)
