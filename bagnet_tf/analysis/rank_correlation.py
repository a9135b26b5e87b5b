"""Do two lists of numbers have the same order? Within each image.

Averages carry an interval over independent repetitions.
"""

from collections.abc import Sequence

import numpy as np
from scipy import stats


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's rank correlation; NaN where either list is constant.

    Args:
        first: Numbers, (count,).
        second: Numbers, (count,).

    Returns:
        -1 to 1: Pearson's correlation of the ranks, equal values having their
        mean rank.

    Example:
        >>> spearman(np.array([1, 2, 3]), np.array([10, 20, 5]))
        -0.5
    """
    ranked = [stats.rankdata(values) for values in (first, second)]
    centred = [ranks - ranks.mean() for ranks in ranked]
    scale = np.sqrt(np.prod([ranks @ ranks for ranks in centred]))
    return float(centred[0] @ centred[1] / scale) if scale else float("nan")


def rank_agreement(said: np.ndarray, true: np.ndarray) -> float | None:
    """Spearman's correlation of what a map says with what is true.

    Returns:
        -1 to 1: 0, as by chance, where the map says the same of everything;
        `None` where the truth is the same everywhere, so that there is
        nothing to say.
    """
    if np.ptp(true) == 0:
        return None
    return spearman(said, true) if np.ptp(said) > 0 else 0.0


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean of independent values and its 95 % interval.

    Args:
        values: Those that are NaN do not count.

    Returns:
        (mean, low, high), by Student's t; the ends are NaN for fewer than two
        values, and all three without any.
    """
    known = np.array([v for v in values if np.isfinite(v)])
    if len(known) < 2:
        mean = float(known[0]) if len(known) else float("nan")
        return mean, float("nan"), float("nan")
    mean = float(known.mean())
    error = float(known.std(ddof=1) / np.sqrt(len(known)))
    reach = error * float(stats.t.ppf(0.975, len(known) - 1))
    return mean, mean - reach, mean + reach
