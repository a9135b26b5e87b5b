"""By how much must one class be ahead of all others to be surely ahead?

Every comparison of a certificate asks for a margin above the rounding of
float32 sums, and of patch logits that come from another batch or graph.
"""

import numpy as np
import tensorflow as tf

# Of the largest sum of magnitudes over the grid; additivity, the numerical
# contract of the patch logits, holds within the same.
TOLERANCE = 1e-5


def margin_of(magnitudes: tf.Tensor | np.ndarray) -> tf.Tensor:
    """What sums over the grid must differ by, (batch,).

    Args:
        magnitudes: The sums over the grid of magnitudes, (batch, classes).
    """
    return TOLERANCE * tf.reduce_max(magnitudes, axis=-1)


def of_class(values: tf.Tensor, labels: tf.Tensor | np.ndarray) -> tf.Tensor:
    """The values of one class an image, without the axis of classes.

    Args:
        values: (batch, ..., classes).
        labels: Int (batch,).
    """
    return tf.gather(values, labels, axis=-1, batch_dims=1)


def without_class(
    totals: tf.Tensor | np.ndarray, labels: tf.Tensor | np.ndarray
) -> tf.Tensor:
    """Totals of which the label's is -inf, so that it is never the largest.

    Args:
        totals: Sums over the grid, (batch, classes).
        labels: Int (batch,).
    """
    return totals + tf.one_hot(labels, totals.shape[-1], float("-inf"), 0.0)


def others_largest(
    totals: tf.Tensor, sums: tf.Tensor, labels: tf.Tensor
) -> tf.Tensor:
    """The most that a class other than the label has outside each window.

    Args:
        totals: Sums over the grid, (batch, classes).
        sums: Over each window, (batch, window rows, window cols, classes).
        labels: Int (batch,).

    Returns:
        (batch, window rows, window cols); -inf where there is no other class.
    """
    # Marked before they are spread over the windows: one pass of memory less.
    others = without_class(totals, labels)
    return tf.reduce_max(others[:, None, None] - sums, axis=-1)
