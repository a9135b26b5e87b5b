"""Which options does an experiment run with? Those given, else what fits."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bagnet_tf.analysis.experiments import OPTIONS


def checked_options(
    name: str, accepted: Sequence[str], given: Mapping[str, Any]
) -> dict[str, Any]:
    """What is given of an experiment's options, if it may be.

    Args:
        name: Of the experiment.
        accepted: Names in `OPTIONS` of the options that it has.
        given: Values by name.

    Returns:
        `given`, JSON-ready: tuples are lists.

    Raises:
        ValueError: If an option is not the experiment's, or out of range.
    """
    foreign = sorted(given.keys() - set(accepted))
    if foreign:
        own = ", ".join(f"--{key}" for key in accepted) or "none"
        raise ValueError(
            f"{name} must get its own options only ({own}). "
            f"Received: {', '.join(f'--{key}' for key in foreign)}"
        )
    return {key: _checked(key, value) for key, value in given.items()}


def all_options(
    accepted: Sequence[str],
    given: Mapping[str, Any],
    image_sizes: Sequence[tuple[int, int]],
) -> dict[str, Any]:
    """All options of an experiment, JSON-ready.

    Args:
        accepted: Names of the options that it has.
        given: Those that shall not be the default, see `checked_options`.
        image_sizes: (height, width) of the images of each classifier, pixels.

    Returns:
        Values by name. Default sides of squares are halved together until the
        largest fits every image.

    Raises:
        ValueError: If a side that is given does not fit.
    """
    shortest = min(min(size) for size in image_sizes)
    values = {}
    for key in accepted:
        option = OPTIONS[key]
        value = given.get(key, option.default)
        if option.room:
            largest = shortest // option.room
            if key not in given:
                value = _halved(value, largest)
            _check_room(key, value, largest, shortest)
        values[key] = list(value) if isinstance(value, tuple) else value
    return values


def _checked(key, value) -> object:
    option = OPTIONS[key]
    numbers = value if isinstance(value, tuple | list) else [value]
    if isinstance(value, tuple | list) and not value and option.default:
        raise ValueError(f"{key} must not be empty. Received: {key}=")
    for number in numbers:
        if isinstance(number, str):
            continue
        if not option.minimum <= number <= option.maximum:
            accepted = f"at least {option.minimum}"
            if option.maximum < math.inf:
                accepted = f"from {option.minimum} to {option.maximum}"
            raise ValueError(
                f"{key} must be {accepted}. Received: {key}={number}"
            )
    return list(value) if isinstance(value, tuple) else value


def _halved(sides, largest) -> list[int]:
    """Sides in the same proportions, as far as there are so small ones."""
    while max(sides) > max(largest, 1):
        sides = [side // 2 for side in sides]
    return sorted({side for side in sides if side})


def _check_room(key, sides, largest, shortest) -> None:
    if max(sides) > largest:
        raise ValueError(
            f"{key} must be at most {largest}, as the smallest image has "
            f"{shortest} pixels a side and must have room for "
            f"{OPTIONS[key].room} of them. "
            f"Received: {key}={','.join(map(str, sides))}"
        )
