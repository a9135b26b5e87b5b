"""How well does one number tell yes from no? Areas over all thresholds.

Equal values are in no order. Where there is nothing to tell apart, only yes or
only no, an area is NaN.
"""

import numpy as np


def auroc(values: np.ndarray, positive: np.ndarray) -> float:
    """How often a yes has a larger value than a no.

    Args:
        values: Finite numbers, (count,).
        positive: Which of them are a yes, bool (count,).

    Returns:
        0 to 1: the area under the receiver operating characteristic, exact.

    Example:
        >>> auroc(np.array([4.0, 3, 2, 2]), np.array([1, 0, 1, 0], bool))
        0.625

    Source: Hanley & McNeil, Radiology 1982: the share of all pairs, in which
    equal values count one half.
    """
    found, taken = found_and_taken(values, positive)
    missed = taken - found
    if not (found[-1] and missed[-1]):
        return float("nan")
    pairs = np.diff(missed) @ (found[1:] + found[:-1]) / 2
    return float(pairs / (found[-1] * missed[-1]))


def average_precision(values: np.ndarray, positive: np.ndarray) -> float:
    """The precision of all thresholds, weighted by the recall they add.

    Args:
        values: Finite numbers, (count,).
        positive: Which of them are a yes, bool (count,).

    Returns:
        0 to 1; what knows nothing has the share of yes. Equal values pass a
        threshold together, so that they count with the precision of all of
        them.

    Example:
        >>> average_precision(np.array([4.0, 3, 1]), np.array([1, 0, 1], bool))
        0.8333333333333333

    Source: scikit-learn, `average_precision_score`: the sum of
    (R_n - R_(n-1)) P_n over the distinct values, falling; not interpolated.
    """
    found, taken = found_and_taken(values, positive)
    if found[-1] in (0, taken[-1]):
        return float("nan")
    return float(np.sum(np.diff(found) * found[1:] / taken[1:]) / found[-1])


def found_and_taken(
    values: np.ndarray, positive: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Number of yes, and of all, at or above each distinct value.

    Args:
        values: Finite numbers, (count,).
        positive: Which of them are a yes, bool (count,).

    Returns:
        Both from the largest value to the smallest, after a leading 0.
    """
    distinct, ranks = np.unique(-values, return_inverse=True)
    counts = [
        np.bincount(ranks, weights, minlength=len(distinct))
        for weights in (positive, None)
    ]
    found, taken = (np.concatenate([[0], np.cumsum(c)]) for c in counts)
    return found, taken
