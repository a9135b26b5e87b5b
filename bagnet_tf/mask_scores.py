"""How well does a heatmap find the true evidence, pixel by pixel?

Every score takes maps and masks of the same pixels, (batch, height, width),
and gives one number an image, float64 (batch,). Three rules hold for all:

- A pixel where the map is NaN is left out of map and mask alike, as if the
  image ended there (see `bagnet_tf.localization.spread_to_pixels`).
- Where the mask of the pixels that are left is empty or full, there is
  nothing to find and the score is NaN.
- Equal values are in no order: a score is what random orders of them give on
  average (average precision: see there). So a map that is the same everywhere
  scores what chance does: the mask's share of the pixels, 0.5 for AUROC.

A score says little alone: set it beside that of such a map, of an untrained
network and of `bagnet_tf.localization.centre_prior`.
"""

from collections.abc import Callable

import numpy as np

from bagnet_tf.ranking import auroc, average_precision, found_and_taken


def pointing_game(
    maps: np.ndarray, masks: np.ndarray, tolerance: int = 15
) -> np.ndarray:
    """Whether the maximum of the map lies in the mask, or close to it.

    Args:
        maps: Relevance of each pixel, (batch, height, width); NaN: left out.
        masks: True evidence, bool (batch, height, width).
        tolerance: The largest distance to the mask that is still a hit,
            pixels (Euclidean, between the pixels' middles).

    Returns:
        (batch,): 1 or 0, and between them the share of hits where several
        pixels have the largest value.

    Raises:
        ValueError: If the shapes differ, the masks are not bool, or
            `tolerance` is not a whole number, 0 or greater.

    Example:
        >>> maps = np.array([[[0.0, 3.0], [1.0, 2.0]]])
        >>> masks = np.array([[[False, False], [False, True]]])
        >>> pointing_game(maps, masks, tolerance=0)
        array([0.])
        >>> pointing_game(maps, masks, tolerance=1)
        array([1.])

    Source: Zhang et al., Top-down Neural Attention by Excitation Backprop,
    IJCV 2018, with a tolerance of 15 pixels. There, rates are
    averaged over classes; here each image counts for itself.
    """
    if not isinstance(tolerance, (int, np.integer)) or tolerance < 0:
        raise ValueError(
            "tolerance must be a whole number of pixels, 0 or greater. "
            f"Received: tolerance={tolerance!r}"
        )
    masks = _checked(maps, masks) & ~np.isnan(maps)
    near = _widened(masks, tolerance)
    return _score_each(
        lambda values, inside, near: near[values == values.max()].mean(),
        maps,
        masks,
        near,
    )


def relevance_mass_accuracy(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The mask's share of all positive relevance.

    Args:
        maps: Relevance of each pixel, (batch, height, width); NaN: left out.
        masks: True evidence, bool (batch, height, width).

    Returns:
        (batch,), 0 to 1; NaN where no relevance is positive.

    Raises:
        ValueError: If the shapes differ or the masks are not bool.

    Example:
        >>> maps = np.array([[[3.0, 1.0], [-9.0, 0.0]]])
        >>> masks = np.array([[[True, False], [True, False]]])
        >>> relevance_mass_accuracy(maps, masks)
        array([0.75])

    Source: Arras, Osman & Samek, CLEVR-XAI, Information Fusion 2022,
    for maps without negative values; of signed ones the positive part.
    """
    _checked(maps, masks)

    def share(values, inside):
        positive = np.maximum(values, 0)
        total = positive.sum()
        return positive[inside].sum() / total if total > 0 else np.nan

    return _score_each(share, maps, masks)


def energy_pointing_game(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The share of all positive relevance in the mask's bounding box.

    The box is the smallest upright rectangle that holds the mask (of the
    pixels that are left). Around several objects it is wide and chance is
    high; `relevance_mass_accuracy` asks the same of the mask itself.

    Args:
        maps: Relevance of each pixel, (batch, height, width); NaN: left out.
        masks: True evidence, bool (batch, height, width).

    Returns:
        (batch,), 0 to 1; NaN where the box is all of the image or no
        relevance is positive.

    Raises:
        ValueError: If the shapes differ or the masks are not bool.

    Example:
        >>> maps = np.array([[[3.0, 1.0, 1.0], [0.0, 3.0, 0.0]]])
        >>> masks = np.array([[[1, 0, 0], [0, 1, 0]]], bool)
        >>> energy_pointing_game(maps, masks)
        array([0.875])

    Source: Wang et al., Score-CAM, CVPR Workshops 2020, on images
    with one box that covers at most half of them; its maps have no negative
    values, so of signed ones we take the positive part.
    """
    masks = _checked(maps, masks) & ~np.isnan(maps)
    rows, cols = masks.any(axis=2), masks.any(axis=1)

    def spanned(hit):  # From the first hit to the last one.
        before = np.maximum.accumulate(hit, axis=1)
        return before & np.maximum.accumulate(hit[:, ::-1], axis=1)[:, ::-1]

    boxes = spanned(rows)[:, :, None] & spanned(cols)[:, None, :]
    return relevance_mass_accuracy(maps, boxes)


def relevance_rank_accuracy(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The share of the K most relevant pixels that lie in the mask of K.

    Args:
        maps: Relevance of each pixel, (batch, height, width); NaN: left out.
        masks: True evidence, bool (batch, height, width).

    Returns:
        (batch,), 0 to 1.

    Raises:
        ValueError: If the shapes differ or the masks are not bool.

    Example:
        >>> maps = np.array([[[4.0, 3.0], [2.0, 1.0]]])
        >>> masks = np.array([[[True, False], [True, False]]])
        >>> relevance_rank_accuracy(maps, masks)
        array([0.5])

    Source: Arras, Osman & Samek, CLEVR-XAI, Information Fusion 2022.
    """
    _checked(maps, masks)

    def share(values, inside):
        found, taken = found_and_taken(values, inside)
        # Between two thresholds lie ties, which are taken in random order.
        return np.interp(found[-1], taken, found) / found[-1]

    return _score_each(share, maps, masks)


def pixel_auroc(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """How often a pixel of the mask has more relevance than one outside.

    Args:
        maps: Relevance of each pixel, (batch, height, width); NaN: left out.
        masks: True evidence, bool (batch, height, width).

    Returns:
        (batch,), 0 to 1: the area under the receiver operating
        characteristic.

    Raises:
        ValueError: If the shapes differ or the masks are not bool.

    Example:
        >>> maps = np.array([[[4.0, 3.0], [2.0, 2.0]]])
        >>> masks = np.array([[[True, False], [True, False]]])
        >>> pixel_auroc(maps, masks)
        array([0.625])

    Source: Hanley & McNeil, Radiology 1982: the share of all pairs, in which
    equal values count one half.
    """
    _checked(maps, masks)
    return _score_each(auroc, maps, masks)


def pixel_average_precision(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The precision of all thresholds, weighted by the recall they add.

    Args:
        maps: Relevance of each pixel, (batch, height, width); NaN: left out.
        masks: True evidence, bool (batch, height, width).

    Returns:
        (batch,), 0 to 1. Equal values pass a threshold together, so that they
        count with the precision of all of them.

    Raises:
        ValueError: If the shapes differ or the masks are not bool.

    Example:
        >>> maps = np.array([[[4.0, 3.0], [2.0, 1.0]]])
        >>> masks = np.array([[[True, False], [False, True]]])
        >>> pixel_average_precision(maps, masks)
        array([0.75])

    Source: scikit-learn, `average_precision_score`: the sum of
    (R_n - R_(n-1)) P_n over the distinct values, falling; not interpolated.
    """
    _checked(maps, masks)
    return _score_each(average_precision, maps, masks)


def _checked(maps, masks) -> np.ndarray:
    """The masks, if they fit the maps."""
    if maps.ndim != 3 or maps.shape != masks.shape or masks.dtype != bool:
        raise ValueError(
            "maps and masks must both be (batch, height, width), the masks "
            f"bool. Received: maps.shape={maps.shape}, "
            f"masks.shape={masks.shape}, masks.dtype={masks.dtype}"
        )
    return masks


def _score_each(
    score: Callable[..., float],
    maps: np.ndarray,
    masks: np.ndarray,
    *others: np.ndarray,
) -> np.ndarray:
    """Scores the pixels that are left of each image, one image at a time."""
    scores = np.full(len(maps), np.nan)
    for index, heatmap in enumerate(maps):
        left = ~np.isnan(heatmap)
        values = heatmap[left].astype(np.float64)
        inside, *rest = (array[index][left] for array in (masks, *others))
        if inside.any() and not inside.all():
            scores[index] = score(values, inside, *rest)
    return scores


def _widened(masks: np.ndarray, distance: int) -> np.ndarray:
    """The pixels whose distance to the mask is at most `distance`."""
    height, width = masks.shape[1:]
    padding = ((0, 0), (0, 0), (distance + 1, distance))
    counts = np.cumsum(np.pad(masks, padding), axis=2, dtype=np.int32)
    result = np.zeros_like(masks)
    for rows in range(min(distance, height - 1) + 1):
        reach = int(np.sqrt(distance**2 - rows**2))
        after, before = distance + 1 + reach, distance - reach
        ends = counts[..., after : after + width]
        near = ends > counts[..., before : before + width]
        result[:, rows:] |= near[:, : height - rows]
        result[:, : height - rows] |= near[:, rows:]
    return result
