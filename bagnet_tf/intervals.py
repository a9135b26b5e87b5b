"""How sure is a number that was counted on a sample? 95 % intervals."""

import math

Z95 = 1.959963984540054  # The normal distribution has 95 % within so many sds.


def rate(successes: int, count: int) -> dict:
    """A rate with its interval, JSON-ready.

    Args:
        successes: How often.
        count: Out of how many, at least 1.

    Returns:
        `value`, 0..1, and `interval95`, see `wilson_interval`.
    """
    return {
        "value": successes / count,
        "interval95": list(wilson_interval(successes, count)),
    }


def wilson_interval(successes: int, count: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a rate (Wilson 1927)."""
    share = successes / count
    centre = share + Z95 * Z95 / (2 * count)
    spread = Z95 * math.sqrt(
        share * (1 - share) / count + Z95 * Z95 / (4 * count * count)
    )
    scale = 1 + Z95 * Z95 / count
    return (centre - spread) / scale, (centre + spread) / scale


def auroc_interval(
    area: float, positives: int, negatives: int
) -> tuple[float, float]:
    """The 95 % score interval of an area under the ROC curve.

    All true areas from which the one that was found is at most 1.96 standard
    errors away, where the standard error is that of the *true* area. So it
    stays within 0..1, and does not vanish where all pairs were right.

    Args:
        area: That was found, 0..1.
        positives: Number of examples that are a yes, at least 1.
        negatives: Number of the others, at least 1.

    Returns:
        (low, high).

    Source: the standard error of Hanley & McNeil, Radiology 1982, inverted as
    by Newcombe, Statistics in Medicine 2006 (part 2).
    """

    def end(inside, outside):
        """Between a true area that is close enough, and one that is not."""
        for _ in range(60):
            middle = (inside + outside) / 2
            error = _auroc_standard_error(middle, positives, negatives)
            if abs(area - middle) <= Z95 * error:
                inside = middle
            else:
                outside = middle
        return inside

    return end(area, 0.0), end(area, 1.0)


def _auroc_standard_error(area, positives, negatives) -> float:
    """Of Hanley & McNeil 1982, for scores that are distributed exponentially.

    Source: their equations 2 and 4.
    """
    both_above = area / (2 - area)
    above_both = 2 * area * area / (1 + area)
    variance = (
        area * (1 - area)
        + (positives - 1) * (both_above - area * area)
        + (negatives - 1) * (above_both - area * area)
    )
    return math.sqrt(max(variance, 0.0) / (positives * negatives))
