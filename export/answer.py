"""How are the results of a verification told to a program?"""

import dataclasses
import math
from collections.abc import Iterable, Mapping

from .verification import Verification


def verification_answer(
    verifications: Iterable[Verification], sizes: Mapping[str, int]
) -> list[dict]:
    """What `report.format_table` says to people, JSON-ready.

    Args:
        verifications: The results.
        sizes: Bytes of each artefact.

    Returns:
        A record for each: the attributes of `Verification`, `passed` and
        `bytes`. A number that is not finite, for which JSON has no word, is
        None; the record has not passed then.
    """
    return [
        _finite(dataclasses.asdict(v))
        | {"passed": v.passed, "bytes": sizes[v.artefact]}
        for v in verifications
    ]


def _finite(value):
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
