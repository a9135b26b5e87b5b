"""How does a disk's failure that TensorFlow meets become an ordinary one?"""

import contextlib
from collections.abc import Iterator

import tensorflow as tf


@contextlib.contextmanager
def file_errors_named(what: str) -> Iterator[None]:
    """Turns what TensorFlow raises for files into an `OSError`.

    A full disk is a `ResourceExhaustedError` to it, a damaged file a
    `DataLossError`, and so on.

    Args:
        what: Cannot be read or written, in words.

    Raises:
        OSError: If TensorFlow fails within.

    Example:
        >>> with file_errors_named("the checkpoint"):
        ...     manager.save()
    """
    try:
        yield
    except tf.errors.OpError as error:
        reason = str(error.message).strip().splitlines() or [""]
        raise OSError(
            f"{what} cannot be read or written "
            f"({type(error).__name__}: {reason[0]})"
        ) from error
