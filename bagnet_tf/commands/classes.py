"""Which classes does a user mean? By name or by id."""

import difflib
import re
from collections.abc import Sequence


def find_classes(
    names: Sequence[str] | None, labels: Sequence[str]
) -> list[int]:
    """The classes that --class_ids names, each once; none without the flag.

    Args:
        names: The value of the flag, see `find_class`.
        labels: Class names, by class id.

    Raises:
        ValueError: If the flag is there and names no class, or see
            `find_class`.
    """
    if names is not None and not names:
        raise ValueError(
            "class_ids must be at least one class. Received: class_ids="
        )
    found = (find_class(name, labels) for name in names or ())
    return list(dict.fromkeys(found))


def find_class(
    name: str, labels: Sequence[str], flag: str = "class_ids"
) -> int:
    """The class of this name; of this id, where no class has the name.

    A label may list several names, separated by commas: any of them will do.

    Args:
        name: A name in any case, or an id.
        labels: Class names, by class id.
        flag: Where the user named it, for the message.

    Returns:
        The class id.

    Raises:
        ValueError: If there is no such class, or several have that name.

    Example:
        >>> find_class("Cat", ["dog", "house cat, cat"])
        1
    """
    wanted = name.casefold()
    names = [label.casefold() for label in labels]
    matches = [i for i, label in enumerate(names) if label == wanted] or [
        i for i, label in enumerate(names) if wanted in re.split(r",\s*", label)
    ]
    if len(matches) == 1:
        return matches[0]
    if matches:
        hint = f"{name!r} is the name of {matches}: give one of these ids"
    elif wanted.isdecimal():
        if int(wanted) < len(labels):
            return int(wanted)
        hint = f"ids are 0 to {len(labels) - 1}"
    else:
        close = difflib.get_close_matches(wanted, names, cutoff=0.5)
        close = [labels[names.index(label)] for label in close]
        hint = f"close names are {close or list(labels[:3])}"
    raise ValueError(
        f"{flag} must be names or ids of the model's classes ({hint}). "
        f"Received: {flag}={name}"
    )
