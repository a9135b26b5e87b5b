"""What do defences that sum over the grid add up, cell by cell?

Votes are counted: rounding that lifts a cell's probability over the threshold
changes a sum by one. So such features come with what surely counts and what
possibly counts, a rounding error away; for the others all three are one.
"""

import typing

import tensorflow as tf

from bagnet_tf.certification.defenses import VOTE_THRESHOLD, Defense

# Rounding of softmax probabilities.
_ROUNDING = 1e-5


class Features(typing.NamedTuple):
    """Features of patches, each float32 (batch, rows, cols, classes).

    Attributes:
        values: What the defence sums.
        sure: No more than rounding could leave of them.
        possible: No less than rounding could make of them.
        low: The least that an attacker can make of one.
        high: The most.
    """

    values: tf.Tensor
    sure: tf.Tensor
    possible: tf.Tensor
    low: float
    high: float


def features_of(patch_logits: tf.Tensor, defense: Defense) -> Features:
    """The features of a defence.

    Args:
        patch_logits: Float32 (batch, rows, cols, classes).
        defense: `masking`, `clipping` or `voting`.
    """
    if defense.name == "voting":
        return _votes(patch_logits, defense.threshold, inclusive=True)
    if defense.features == "prediction":
        return _votes(patch_logits, VOTE_THRESHOLD, inclusive=False)
    if defense.features == "confidence":
        return _same(tf.nn.softmax(patch_logits), 0.0, 1.0)
    shifted = patch_logits
    if defense.offset:
        shifted += defense.offset
    if defense.clip is not None:
        values = tf.clip_by_value(shifted, 0.0, defense.clip)
        return _same(values, 0.0, defense.clip)
    if defense.name == "clipping":
        values = tf.tanh(0.05 * defense.scale * shifted - 1.0)
        return _same(values, -1.0, 1.0)
    return _same(tf.nn.relu(shifted), 0.0, float("inf"))


def _same(values, low, high) -> Features:
    return Features(values, values, values, low, high)


def _votes(patch_logits, threshold, inclusive) -> Features:
    """1 where the softmax probability reaches (or exceeds) a threshold."""
    confidence = tf.nn.softmax(patch_logits)
    reaches = tf.greater_equal if inclusive else tf.greater
    votes = [
        tf.cast(reaches(confidence, threshold + rounding), tf.float32)
        for rounding in (0.0, _ROUNDING, -_ROUNDING)
    ]
    return Features(*votes, low=0.0, high=1.0)
