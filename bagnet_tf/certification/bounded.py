"""Bounded features, summed: can a window's worth of them change the order?

Clipping (CBN: tanh) and voting bound what one cell can say, so a patch can
move every class by no more than the cells it reaches.

Source: Zhang et al., Clipped BagNet, IEEE S&P workshops 2020; Levine & Feizi,
NeurIPS 2020. Published certificates test only the runner-up, or count all
cells of a window as if they had voted for the label: here every class and
window is tested on what the cells outside say, which certifies no less.
"""

import tensorflow as tf

from bagnet_tf.certification.features import Features
from bagnet_tf.certification.rounding import of_class, others_largest
from bagnet_tf.certification.windows import box_sums


def certified_by_bounds(
    features: Features,
    labels: tf.Tensor,
    window: tuple[int, int],
    margin: tf.Tensor,
) -> tf.Tensor:
    """Whether the label has the largest sum whatever is in any one window.

    Args:
        features: Bounded on both sides.
        labels: Int (batch,).
        window: (rows, cols) of the windows.
        margin: What a sum must be ahead by, (batch,).

    Returns:
        Bool (batch,).
    """
    gain = (features.high - features.low) * window[0] * window[1]
    totals = tf.reduce_sum(features.possible, axis=(1, 2))
    sums = box_sums(features.possible, window)
    own = of_class(features.sure, labels)[..., None]
    kept = tf.reduce_sum(own, axis=(1, 2), keepdims=True) - box_sums(
        own, window
    )
    ahead = kept[..., 0] - others_largest(totals, sums, labels) - gain
    return tf.reduce_all(ahead > margin[:, None, None], axis=(1, 2))
