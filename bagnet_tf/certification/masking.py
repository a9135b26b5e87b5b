"""Robust masking: what is left of each class without its strongest window?

Source: Xiang et al., PatchGuard, USENIX Security 2021. Where the published
code breaks ties by the class id, they go against the certificate here.
"""

import tensorflow as tf

from bagnet_tf.certification.features import Features
from bagnet_tf.certification.rounding import of_class, others_largest
from bagnet_tf.certification.windows import box_sums, largest_outside


def masked_scores(
    totals: tf.Tensor, sums: tf.Tensor, threshold: float, margin: tf.Tensor
) -> tf.Tensor:
    """What a class has left without its strongest window.

    Args:
        totals: Sums of features over the grid, (batch, classes).
        sums: Over each window, (batch, rows, cols, classes).
        threshold: A window with no larger share of the evidence stays.
        margin: Of rounding, (batch,).

    Returns:
        Float32 (batch, classes), at least 0.
    """
    strongest = tf.reduce_max(sums, axis=(1, 2))
    masked = strongest > threshold * totals
    left = totals - tf.where(masked, strongest, 0.0)
    # Of evidence in one window alone rounding is left: that decides nothing.
    return tf.where(left > margin[:, None], left, 0.0)


def certified_by_masking(
    features: Features,
    totals: tf.Tensor,
    sums: tf.Tensor,
    labels: tf.Tensor,
    window: tuple[int, int],
    threshold: float,
    margin: tf.Tensor,
) -> tf.Tensor:
    """Whether the decision is the label whatever is in any one window.

    For every window of the attacker, the label keeps at least what is neither
    in that window nor in the worst one that masking takes away; another class
    gets at most what it has outside (an attacker's evidence is masked), or with
    a threshold T 1 / (1 - T) times that (just not masked).

    Args:
        features: Of the patches, at least 0.
        totals: Sums of `features.possible` over the grid, (batch, classes).
        sums: Over each window.
        labels: Int (batch,).
        window: (rows, cols) of the windows.
        threshold: As in `masked_scores`.
        margin: What a sum must be ahead by, (batch,).

    Returns:
        Bool (batch,).
    """
    own = of_class(features.sure, labels)  # (batch, rows, cols)
    own_sums = box_sums(own[..., None], window)[..., 0]
    kept = tf.reduce_sum(own, axis=(1, 2))[:, None, None] - own_sums
    masked = largest_outside(own, window)
    margin = margin[:, None, None]
    if threshold:
        # The strongest window outside is too weak to be masked: only one that
        # holds something of the attacker's may be.
        near = largest_outside(own, window, overlapping=True)
        masked = tf.where(masked < threshold * kept - margin, near, masked)
    others = others_largest(totals, sums, labels) / (1 - threshold)
    ahead = kept - masked - others > margin
    return tf.reduce_all(ahead, axis=(1, 2))
