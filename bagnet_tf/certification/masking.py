"""Robust masking: what is left of each class without its strongest window?

Sums over every window of every class would take most of the time. Bounds say
which classes can matter, mostly one or two, and only those are summed so: the
outcome is the same.

Source: Xiang et al., PatchGuard, USENIX Security 2021. Where the published
code breaks ties by the class id, they go against the certificate here.
"""

import numpy as np
import tensorflow as tf

from bagnet_tf.certification.features import Features
from bagnet_tf.certification.rounding import (
    margin_of,
    of_class,
    without_class,
)
from bagnet_tf.certification.windows import (
    box_sums,
    largest_outside,
    side_by_side,
)

# Up to one class in so many is picked one by one, which jumps in memory.
_FEW = 32


def masked_decisions(
    values: tf.Tensor,
    totals: np.ndarray,
    window: tuple[int, int],
    threshold: float,
) -> np.ndarray:
    """The class that has most left without its strongest window.

    Args:
        values: Features of the patches, at least 0, float32 (batch, rows,
            cols, classes).
        totals: Their sums over the grid, (batch, classes).
        window: (rows, cols) of the windows.
        threshold: A window with no larger share of the evidence stays.

    Returns:
        Int64 (batch,); of equal classes the first.
    """
    margin = margin_of(totals).numpy()
    # The strongest window holds no less than the strongest of a few.
    strong = tf.reduce_max(side_by_side(values, window), axis=(1, 2)).numpy()
    masked = strong - margin[:, None] > threshold * totals
    most = totals - np.where(masked, strong, 0)

    def left(images, class_ids):
        sums = box_sums(_maps(values, images, class_ids), window)
        strongest = tf.reduce_max(sums, axis=(0, 1, 2)).numpy()
        evidence = totals[images, class_ids]
        masked = strongest > threshold * evidence
        left = evidence - np.where(masked, strongest, 0)
        # Of evidence in one window alone rounding is left: that decides
        # nothing.
        return np.where(left > margin[images], left, 0)

    favourites = left(np.arange(len(most)), most.argmax(axis=-1))
    open_ = most >= (favourites - margin)[:, None]
    scores = np.full_like(most, -np.inf)
    scores[open_] = left(*np.nonzero(open_))
    return scores.argmax(axis=-1)


def certified_by_masking(
    features: Features,
    totals: np.ndarray,
    labels: np.ndarray,
    decisions: np.ndarray,
    window: tuple[int, int],
    threshold: float,
) -> np.ndarray:
    """Whether the decision is the label whatever is in any one window.

    For every window of the attacker, the label keeps at least what is neither
    in that window nor in the worst one that masking takes away; another class
    gets at most what it has outside (an attacker's evidence is masked), or with
    a threshold T 1 / (1 - T) times that (just not masked).

    Three tests, each on what the one before left open: the label without twice
    its strongest window against all that others have proves; the decision, if
    it is another class, and the window that leaves the label least refute; all
    windows decide the rest.

    Args:
        features: Of the patches, at least 0.
        totals: Sums of `features.possible` over the grid, (batch, classes).
        labels: Int (batch,).
        decisions: What `masked_decisions` found, int (batch,).
        window: (rows, cols) of the windows.
        threshold: As in `masked_decisions`.

    Returns:
        Bool (batch,).
    """
    margin = margin_of(totals).numpy()
    others = without_class(totals, labels).numpy()
    own = of_class(features.sure, labels)  # (batch, rows, cols)
    sums = box_sums(own[..., None], window)
    least = tf.reduce_sum(own, axis=(1, 2)) - 2 * tf.reduce_max(sums, (1, 2, 3))
    most = others.max(axis=-1) / (1 - threshold)
    certified = least.numpy() - most > margin
    images = np.flatnonzero(~certified & (decisions == labels))
    if not len(images):
        return certified
    needed = _needed(tf.gather(own, images), window, threshold, margin[images])
    others = others[images]
    survives = ~_beaten_at_worst(features.possible, images, others, needed)
    lowest = needed.min(axis=(1, 2))
    open_ = survives[:, None] & (others >= lowest[:, None])
    row, class_ids = np.nonzero(open_)
    maps = _maps(features.possible, images[row], class_ids)
    outside = others[open_] - box_sums(maps, window)[0].numpy()
    beaten = (outside >= np.moveaxis(needed[row], 0, -1)).any(axis=(0, 1))
    survives[row[beaten]] = False
    certified[images] = survives
    return certified


def _needed(own, window, threshold, margin) -> np.ndarray:
    """What another class needs outside the attacker's window to win.

    Args:
        own: The label's features, (n, rows, cols).
        window: (rows, cols) of the windows.
        threshold: As in `masked_decisions`.
        margin: What a sum must be ahead by, (n,).

    Returns:
        For each window, (n, window rows, window cols).
    """
    sums = box_sums(own[..., None], window)[..., 0]
    kept = tf.reduce_sum(own, axis=(1, 2))[:, None, None] - sums
    masked = largest_outside(own, window)
    margin = margin[:, None, None]
    if threshold:
        # The strongest window outside is too weak to be masked: only one that
        # holds something of the attacker's may be.
        near = largest_outside(own, window, overlapping=True)
        masked = tf.where(masked < threshold * kept - margin, near, masked)
    return ((kept - masked - margin) * (1 - threshold)).numpy()


def _beaten_at_worst(possible, images, others, needed) -> np.ndarray:
    """Whether a class has enough outside the window where least is needed.

    Args:
        possible: Features, (batch, rows, cols, classes).
        images: Which image, int64 (n,).
        others: Sums over the grid, the label's -inf, (n, classes).
        needed: See `_needed`.

    Returns:
        Bool (n,).
    """
    (rows, cols), (grid_rows, grid_cols) = needed.shape[1:], possible.shape[1:3]
    needed = needed.reshape(-1, rows * cols)
    worst = needed.argmin(axis=-1)[:, None, None]
    row = worst // cols + np.arange(grid_rows - rows + 1)[:, None]
    col = worst % cols + np.arange(grid_cols - cols + 1)
    place = (images[:, None, None] * grid_rows + row) * grid_cols + col
    by_place = tf.reshape(possible, (-1, possible.shape[-1]))
    sums = tf.reduce_sum(tf.gather(by_place, place), axis=(1, 2)).numpy()
    return (others - sums).max(axis=-1) >= needed.min(axis=-1)


def _maps(values, images, class_ids) -> tf.Tensor:
    """The values of chosen classes, side by side as if of one image.

    Args:
        values: (batch, rows, cols, classes).
        images: Which image, int64 (n,).
        class_ids: Which of its classes, int64 (n,).

    Returns:
        (1, rows, cols, n).
    """
    batch, rows, cols, classes = values.shape
    if len(images) * _FEW > batch * classes:
        by_class = tf.transpose(values, (0, 3, 1, 2))
        chosen = tf.gather_nd(by_class, np.stack([images, class_ids], axis=-1))
        return tf.transpose(chosen, (1, 2, 0))[None]
    place = np.arange(rows * cols).reshape(1, rows, cols, 1)
    place = (images * rows * cols + place) * classes + class_ids
    return tf.gather(tf.reshape(values, (-1,)), place)
