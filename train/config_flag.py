"""Which configuration does --config mean? A file's, or one that we ship.

What a user's file does wrong is the user's mistake, so it ends in one line
that names the flag, not in a traceback.
"""

import importlib.util
import pathlib
import sys
import traceback

import ml_collections
from absl import flags
from ml_collections import config_flags

from .configs import glyphs

_SHIPPED = pathlib.Path(glyphs.__file__).parent

# The flag belongs to the command, not to this module.
flags.disclaim_key_flags()


def config(
    flag_values: flags.FlagValues,
) -> flags.FlagHolder[ml_collections.ConfigDict]:
    """The configuration, whose entries `--config.KEY=VALUE` changes."""
    holder = config_flags.DEFINE_config_file(
        "config",
        None,
        "A configuration: a .py file, or the name of one of train/configs. "
        "--config.KEY=VALUE changes an entry.",
        flag_values=flag_values,
    )
    # The original one lets the file's exceptions through.
    flag_values["config"].parser = _ConfigParser()
    return holder


class _ConfigParser(flags.ArgumentParser):
    """Turns the flag's value into a configuration."""

    def parse(self, argument):
        path = pathlib.Path(argument)
        if argument.isidentifier():
            path = _SHIPPED / f"{argument}.py"
        if path.suffix != ".py" or not path.is_file():
            names = sorted(p.stem for p in _SHIPPED.glob("[!_]*.py"))
            raise _mistake(f"a .py file or one of {', '.join(names)}", argument)
        try:
            read = _module(path).get_config()
        except (Exception, SystemExit) as error:
            reason = f"a Python file with get_config() ({_where(error, path)})"
            raise _mistake(reason, argument) from error
        if not isinstance(read, ml_collections.ConfigDict):
            reason = "a file whose get_config() returns a ConfigDict"
            raise _mistake(reason, argument)
        if missing := set(glyphs.get_config()) - set(read):
            names = ", ".join(sorted(missing))
            reason = f"a file with all keys of train/configs (missing: {names})"
            raise _mistake(reason, argument)
        return read.lock()


def _module(path):
    """The file, run."""
    name = "bagnet_tf_config_file"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Dataclasses look themselves up there.
    spec.loader.exec_module(module)
    return module


def _where(error, path):
    """What went wrong in the file, and in which of its lines."""
    text = f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f.lineno for f in frames if f.filename == str(path)]
    return f"{text}, line {lines[-1]}" if lines else text


def _mistake(accepted, argument):
    # Of absl's own kind: it puts words of its own before a ValueError.
    return flags.IllegalFlagValueError(
        f"config must be {accepted}. Received: config={argument!r}"
    )
