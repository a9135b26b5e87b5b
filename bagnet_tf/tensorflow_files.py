"""How does a disk's failure that TensorFlow meets become an ordinary one?"""

import contextlib
import re
from collections.abc import Iterator

import tensorflow as tf

# How a dataset's file that is damaged, gone, or not as long as it should be
# shows while it is read.
_OF_DATASETS = (
    tf.errors.DataLossError,
    tf.errors.FailedPreconditionError,
    tf.errors.NotFoundError,
    tf.errors.OutOfRangeError,
    tf.errors.PermissionDeniedError,
)
_OF_A_FUNCTION = "Graph execution error:"
_NO_EXAMPLE = "Could not parse example"
# Where it happened in TensorFlow's graph, before and behind what happened.
_OPERATIONS = re.compile(
    r"^{{.*?}} |Error in user-defined function passed to \S+ transformation "
    r"with iterator: \S+: |( \[Op:\w+\])? name: *$"
)


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
        raise OSError(
            f"{what} cannot be read or written ({_reason(error)})"
        ) from error


@contextlib.contextmanager
def dataset_errors_named(dataset: str, decodes: bool) -> Iterator[None]:
    """Turns what TensorFlow raises for a dataset's files into a mistake.

    Args:
        dataset: As the user has named it.
        decodes: Whether images are decoded within: what TensorFlow raises for
            one that cannot be is left alone then.

    Raises:
        ValueError: If a file of it is missing or damaged.
    """
    try:
        yield
    except (*_OF_DATASETS, UnicodeDecodeError) as error:
        raise damaged(dataset, error) from error
    except tf.errors.InvalidArgumentError as error:
        if decodes:
            raise
        raise damaged(dataset, error) from error


def damaged(dataset: str, error: Exception) -> ValueError:
    """What to say of a dataset that has a damaged file."""
    return ValueError(
        f"dataset {dataset!r} must have all its files, whole, with labels of "
        f"its classes. Received: {_reason(error)}"
    )


def _reason(error) -> str:
    lines = str(error).strip().splitlines() or [""]
    said = lines[0]
    if said == _OF_A_FUNCTION:  # Then where, and at the end, what happened.
        said = [line for line in lines if re.match(r"[^\s\[]", line)][-1]
    # TensorFlow quotes a record that it cannot parse, which is no text.
    if isinstance(error, UnicodeDecodeError) or _NO_EXAMPLE in said:
        return "a record that is no example"
    return f"{type(error).__name__}: {_OPERATIONS.sub('', said)}"
