"""How does a test run a command within its own process?"""

import contextlib
import io
import types
from typing import NamedTuple

from absl.testing import flagsaver


class Ran(NamedTuple):
    """What a command left.

    Attributes:
        status: The exit status; None for 0.
        printed: What it printed to stdout.
        said: What it printed to stderr.
    """

    status: int | None
    printed: str
    said: str


def as_flags(**values) -> list[str]:
    """Arguments of a command line."""
    return [f"--{name}={value}" for name, value in values.items()]


def run_here(command: types.ModuleType, *arguments: str, **values) -> Ran:
    """Runs a command; its flags are as before afterwards.

    Args:
        command: Its module, with `main` and `_FLAGS`.
        arguments: Of the command line.
        values: Of further flags, by name.
    """
    flags = command._FLAGS
    saved = flagsaver.save_flag_values(flags)
    try:
        flags.unparse_flags()
        for name in flags:  # To their defaults.
            flags[name].unparse()
        argv = ["command", *arguments, *as_flags(**values)]
        _, *positional = flags(argv)
        with (
            contextlib.redirect_stdout(io.StringIO()) as printed,
            contextlib.redirect_stderr(io.StringIO()) as said,
        ):
            status = command.main(*positional)
    finally:
        flagsaver.restore_flag_values(saved, flags)
    return Ran(status, printed.getvalue(), said.getvalue())
