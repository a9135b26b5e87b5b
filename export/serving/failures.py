"""In which ways does a server fail, and when is it worth asking again?"""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from absl import logging

_Result = TypeVar("_Result")

_LONGEST_WAIT = 8.0  # Seconds.

# Of what a server says of an error, characters.
_MOST_SAID = 300


class ServerError(RuntimeError):
    """A server that did not answer, or not as it should; one line.

    Attributes:
        passing: Whether it may be otherwise a moment later.
    """

    def __init__(self, message: str, passing: bool = False):
        """Keeps a message of one line."""
        super().__init__(" ".join(message.split()))
        self.passing = passing


def quoted(said: str) -> str:
    """What a server said, in one line of bearable length."""
    said = " ".join(said.split())
    return said if len(said) <= _MOST_SAID else said[:_MOST_SAID] + "…"


def with_retries(
    ask: Callable[[], _Result], retries: int, first_wait: float
) -> _Result:
    """Asks a server again while its failure may pass.

    Waits in between, each time about twice as long; by chance more or less,
    so that clients that failed together do not come back together.

    Args:
        ask: Asks once.
        retries: How often to ask again.
        first_wait: Before the first time, seconds.

    Returns:
        What `ask` returns.

    Raises:
        ServerError: The last one, if it was not for the better; the message
            says how often was asked.
    """
    for attempt in range(retries + 1):
        try:
            return ask()
        except ServerError as error:
            if not error.passing:
                raise
            if attempt == retries:
                times = f" (asked {attempt + 1} times)" if attempt else ""
                raise ServerError(f"{error}{times}", passing=True) from error
            wait = min(first_wait * 2**attempt, _LONGEST_WAIT)
            wait *= random.uniform(0.5, 1.5)
            logging.warning("%s; asking again in %.1f s.", error, wait)
            time.sleep(wait)
    raise ValueError(f"retries must be at least 0. Received: retries={retries}")
