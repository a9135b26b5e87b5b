"""How closely do two measured quantities go together? Pearson's r."""

import math
from collections.abc import Sequence

import numpy as np

from bagnet_tf.intervals import Z95


def pearson(
    one: Sequence[float | None] | np.ndarray,
    other: Sequence[float | None] | np.ndarray,
) -> float | None:
    """The correlation of two vectors, without places where one has NaN or none.

    Returns:
        -1..1, or `None` where one of them does not vary.
    """
    pairs = np.array([one, other], float)
    pairs = pairs[:, np.isfinite(pairs).all(axis=0)]
    if pairs.shape[1] < 2 or (np.ptp(pairs, axis=1) == 0).any():
        return None
    return float(np.clip(np.corrcoef(pairs)[0, 1], -1, 1))


def pearson_interval(
    correlation: float | None, count: int
) -> tuple[float, float] | None:
    """The 95 % interval of a correlation, by Fisher's transformation.

    Args:
        correlation: -1..1, or `None`.
        count: Number of pairs.

    Returns:
        (low, high); `None` where there is no correlation, or fewer than four
        pairs.
    """
    if correlation is None or count < 4:
        return None
    if abs(correlation) == 1:
        return correlation, correlation
    middle, spread = math.atanh(correlation), Z95 / math.sqrt(count - 3)
    return math.tanh(middle - spread), math.tanh(middle + spread)
