"""Which of two ways does better on the same images, and might it be chance?"""

import math


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact McNemar test, two-sided (McNemar 1947).

    Images on which both ways succeed, or both fail, tell nothing. If the ways
    were equally good, each of the others would be a coin's toss.

    Args:
        only_first: Images on which only the first way succeeds.
        only_second: Images on which only the second one does.

    Returns:
        The probability, 0..1, of a difference at least as large by chance.

    Example:
        >>> mcnemar(5, 0)
        0.0625
    """
    count = only_first + only_second
    # In logarithms: 2^count has no float for a thousand images.
    log_tail = [
        math.lgamma(count + 1)
        - math.lgamma(k + 1)
        - math.lgamma(count - k + 1)
        - count * math.log(2)
        for k in range(min(only_first, only_second) + 1)
    ]
    return min(1.0, 2 * math.fsum(map(math.exp, log_tail)))
