"""How does a command answer a program? With one JSON object on stdout."""

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping


@contextlib.contextmanager
def for_people(as_json: bool) -> Iterator[None]:
    """Sends what is printed meanwhile to stderr if a program reads stdout.

    Args:
        as_json: The value of --json.
    """
    with contextlib.redirect_stdout(sys.stderr if as_json else sys.stdout):
        yield


def print_json(content: Mapping) -> None:
    """Prints the object that --json asks for.

    Args:
        content: JSON-ready, every number finite.

    Raises:
        ValueError: If a number is not finite, which JSON has no word for.
    """
    print(json.dumps(content, indent=2, allow_nan=False))
