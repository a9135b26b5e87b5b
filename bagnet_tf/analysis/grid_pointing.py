"""Does the evidence for each class lie in its own photo of a mosaic?

The grid pointing game (Böhle et al., Convolutional Dynamic Alignment Networks,
CVPR 2021): four photos of different classes side by side are one image, and
the evidence for each of the four classes should lie in its own photo. Chance
is a quarter. Every photo counts, also where the network does not know it: the
authors take only those of which it is sure.
"""

from collections.abc import Sequence

import numpy as np

TILES = 2  # Photos on a side of the mosaic.


def choose_photos(
    labels: Sequence[int], num_mosaics: int, rng: np.random.Generator
) -> np.ndarray:
    """Chooses photos of different classes.

    Args:
        labels: Class ids of the photos.
        num_mosaics: Number of mosaics.
        rng: Chooses.

    Returns:
        Indices into `labels`, int (num_mosaics, 4), row by row.

    Raises:
        ValueError: If the photos are of fewer than four classes.
    """
    labels = np.asarray(labels)
    classes = np.unique(labels)
    if len(classes) < TILES**2:
        raise ValueError(
            f"num_images must have photos of {TILES**2} classes for a mosaic. "
            f"Received: photos of {len(classes)}"
        )
    return np.array(
        [
            [
                rng.choice(np.flatnonzero(labels == class_id))
                for class_id in rng.choice(classes, TILES**2, replace=False)
            ]
            for _ in range(num_mosaics)
        ]
    )


def mosaic(photos: Sequence[np.ndarray]) -> np.ndarray:
    """Joins four photos of one size, row by row."""
    rows = [photos[i : i + TILES] for i in range(0, len(photos), TILES)]
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])


def in_own_tile(heatmap: np.ndarray, tile: int) -> tuple[float, float]:
    """How much of a map lies in one photo of the mosaic.

    Args:
        heatmap: Of the photo's class, (height, width) of the mosaic; where it
            is NaN it says nothing.
        tile: Which photo, 0 to 3.

    Returns:
        The share of the positive evidence, and of the pixels with the largest
        value, in the photo. A map that is nowhere positive has the share of
        chance: that of its pixels.
    """
    rows, cols = (size // TILES for size in heatmap.shape)
    row, col = divmod(tile, TILES)
    inside = np.zeros(heatmap.shape, bool)
    inside[row * rows : (row + 1) * rows, col * cols : (col + 1) * cols] = True
    known = np.isfinite(heatmap)
    positive = np.where(known, np.maximum(heatmap, 0), 0).astype(np.float64)
    total = positive.sum()
    share = positive[inside].sum() / total if total else inside[known].mean()
    strongest = known & (heatmap == heatmap[known].max())
    return float(share), float(inside[strongest].mean())
