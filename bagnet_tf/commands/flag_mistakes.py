"""What is wrong with the flags of a command line? Said as we say it.

absl's own words differ from those of our errors, and with the kind of flag.
"""

import contextlib
import difflib
import re
from collections.abc import Iterator

from absl import flags

_REQUIRED = "must have a value other than None"


def missing_flags(flag_values: flags.FlagValues) -> list[str]:
    """Names of the required flags that have no value, or an empty one."""
    return [
        name
        for name in flag_values
        if flag_values[name].value in (None, "", [])
        and any(_REQUIRED in v.message for v in flag_values[name].validators)
    ]


def must_be_given(names: list[str]) -> str:
    """What to say of required flags without a value."""
    listed = ", ".join(f"--{name}" for name in names)
    return f"{listed} must be given; --help says how. Received: none"


@contextlib.contextmanager
def named_by(flag: str) -> Iterator[None]:
    """Names the flag where a library's error knows it by another name."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{flag}: {error}") from error


def described(error: Exception, flag_values: flags.FlagValues) -> str:
    """What to say of a mistake that the parser of flags has found.

    Args:
        error: What the parser raised.
        flag_values: All flags, as far as they have been parsed.
    """
    if isinstance(error, flags.UnrecognizedFlagError):
        return _unknown(error.flagname, flag_values)
    text = str(error)
    if _REQUIRED in text and (missing := missing_flags(flag_values)):
        return must_be_given(missing)
    if found := re.fullmatch(r"Missing value for flag --(\S+)", text):
        return must_be_given([found[1]])
    if isinstance(error, AttributeError | KeyError):  # --config.KEY=VALUE
        return _unknown_key(error)
    return _illegal(text, error.__context__, flag_values) or text


def _unknown(name, flag_values) -> str:
    close = difflib.get_close_matches(name, flag_values)
    return (
        f"flags must be among those of --help{_hint('--', close)}. "
        f"Received: --{name}"
    )


def _unknown_key(error) -> str:
    """Of `KeyError('epoch... Did you mean "epochs" ...')`, maybe wrapped.

    Or of `AttributeError("... Attempting to lookup: epochs.x")`.
    """
    cause = error.args[0]
    text = cause.args[0] if isinstance(cause, KeyError) else str(cause)
    name = re.search(r"[\w.]+", text.rpartition("lookup: ")[2])[0]
    close = re.findall(r'Did you mean "(\w+)"', text)
    return (
        "config must be changed at one of its own keys"
        f"{_hint('--config.', close)}. Received: --config.{name}"
    )


def _hint(prefix, names) -> str:
    return f" (close: {', '.join(prefix + n for n in names)})" if names else ""


def _illegal(text, cause, flag_values) -> str | None:
    """Of 'flag --NAME=VALUE: CAUSE', if a kind of value was expected."""
    found = re.fullmatch(r"flag --([\w.]+)=(.*)", text, re.DOTALL)
    if not found or found[1] not in flag_values:
        return None
    name, parser = found[1], flag_values[found[1]].parser
    accepted = parser.syntactic_help
    if isinstance(parser, flags.EnumParser):
        accepted = f"one of {', '.join(parser.enum_values)}"
    if not accepted:
        return None
    value = found[2].removesuffix(f": {cause}")
    return f"{name} must be {accepted}. Received: {name}={value!r}"
