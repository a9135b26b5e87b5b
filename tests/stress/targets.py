"""What is read of bytes that others wrote, and by which of our functions?"""

import importlib.util
import pathlib
from collections.abc import Callable
from typing import NamedTuple


class Target(NamedTuple):
    """A kind of file and its reader.

    Attributes:
        samples: Gives whole files of this kind; writes into the folder what
            the reader needs beside the one that is damaged.
        read: Writes the bytes into the folder and reads them. What it raises
            other than a `ValueError` as the house has it is a bug.
        share: How many of 1,000 tries are this target's.
        needs: A package without which the reader refuses all of them.
    """

    samples: Callable[[pathlib.Path], list[bytes]]
    read: Callable[[pathlib.Path, bytes], object]
    share: int
    needs: str = ""

    @property
    def missing(self) -> str:
        """What it needs, where that is not installed; else empty."""
        known = not self.needs or importlib.util.find_spec(self.needs)
        return "" if known else self.needs


def _registered() -> dict[str, Target]:
    # Here, since those modules need `Target`.
    from tests.stress import (
        foreign_targets,
        image_targets,
        model_targets,
        record_targets,
    )

    return (
        image_targets.TARGETS
        | model_targets.TARGETS
        | record_targets.TARGETS
        | foreign_targets.TARGETS
    )


def __getattr__(name: str):
    if name == "TARGETS":
        return _registered()
    raise AttributeError(name)
