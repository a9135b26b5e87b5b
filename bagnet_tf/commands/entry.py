"""How does every command start, and how does it end? One way for all.

A mistake of the user's is one line on stderr and exit status 2, without a
traceback. So that this line is not lost among others, TensorFlow's own
messages are held back: import this module before TensorFlow, and TensorFlow
not before `main` runs. `--verbosity=1` shows all, with TF_CPP_MIN_LOG_LEVEL=0
even more.
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence

from absl import app, flags, logging

from bagnet_tf.commands.flag_mistakes import (
    described,
    missing_flags,
    must_be_given,
)

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

USER_ERROR = 2
INTERRUPTED = 130  # What a shell reports for Ctrl-C.
READER_GONE = 141  # What a shell reports for a writer to a closed pipe.
# With less room than this for temporary files, that is why something failed.
_LEAST_BYTES = 1 << 16


def run_command(
    main: Callable[..., int | None],
    name: str,
    command_flags: flags.FlagValues | None = None,
    positional: Sequence[str] = (),
    uses_tensorflow: bool = True,
) -> None:
    """Parses the command line, runs `main` and exits.

    `ValueError` and `OSError` from `main` are mistakes of the user's: their
    message is printed in one line, and the exit status is 2 (with
    `--verbosity=1` after the traceback). Wrong flags end the same way. Ctrl-C
    and SIGTERM end with status 130, and a closed pipe (`| head`) with 141 and
    no message. Any other exception is a bug and keeps its traceback, unless
    the disk of temporary files is full.

    Args:
        main: Takes the positional arguments; what it returns is the exit
            status (`None` for 0).
        name: Begins every message: that of the installed command, without
            `bagnet-`.
        command_flags: The flags of this command, where they are not defined
            on `flags.FLAGS`. Commands with flags of their own can be imported
            together although they share names such as `--model`.
        positional: Names of the arguments without a flag, all required.
        uses_tensorflow: Whether to import TensorFlow, quietly, before `main`.

    Example:
        >>> _FLAGS = flags.FlagValues()
        >>> _MODEL = flags.DEFINE_string(
        ...     "model", None, "Path.", required=True, flag_values=_FLAGS
        ... )
        >>> def run():
        ...     run_command(main, "export", _FLAGS)
    """
    _publish_flags(main, command_flags)

    def parse(argv):
        try:
            arguments = flags.FLAGS(argv)
            if command_flags is not None:
                command_flags.mark_as_parsed()
            if missing := missing_flags(flags.FLAGS):  # Or empty ones.
                raise ValueError(must_be_given(missing))
            _check_positional(arguments[1:], positional)
        except SystemExit:  # --help, which absl ends with status 1.
            sys.exit(_delivered(0))
        except BrokenPipeError:  # Of the reader of --help.
            sys.exit(_reader_gone())
        except (ValueError, OSError) as error:
            sys.exit(_report(name, error))
        except (flags.Error, AttributeError, KeyError) as error:
            sys.exit(_report(name, described(error, flags.FLAGS)))
        return arguments

    def guarded(argv):
        try:
            quieten_tensorflow(uses_tensorflow)
            return _delivered(main(*argv[1:]))
        except BrokenPipeError:
            return _reader_gone()
        except (ValueError, OSError) as error:
            return _report(name, error)
        except KeyboardInterrupt:
            print(f"{name}: interrupted", file=sys.stderr)
            return INTERRUPTED
        except Exception as error:
            # AutoGraph goes on without the file that it cannot write, and
            # what it did not convert fails in some other way.
            if shutil.disk_usage(tempfile.gettempdir()).free >= _LEAST_BYTES:
                raise
            return _report(name, _no_room_for_temporary_files(error))

    signal.signal(signal.SIGTERM, _interrupt)
    app.run(guarded, flags_parser=parse)


def _publish_flags(main, command_flags):
    """Lets absl parse the command's flags and list them under --help."""
    if command_flags is not None:
        flags.FLAGS.append_flag_values(command_flags)
        own = [command_flags[flag_name] for flag_name in command_flags]
    else:
        own = flags.FLAGS.get_key_flags_for_module(main.__module__)
    # absl looks for both under the script, which for an installed command is
    # not the module that defines them.
    for flag in own:
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)
    purpose = sys.modules[main.__module__].__doc__
    script = pathlib.Path(sys.argv[0]).name
    if purpose and script.startswith("bagnet-"):  # Examples as one types them.
        purpose = re.sub(r"python -m [\w.]+", script, purpose)
    sys.modules["__main__"].__doc__ = purpose


def _interrupt(signum, frame):
    """Lets SIGTERM end a command as Ctrl-C does."""
    raise KeyboardInterrupt


def _delivered(status):
    """The exit status, once all of stdout has been read."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_gone()
    return status


def _reader_gone() -> int:
    # Or Python would write the rest once more at its end, and complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return READER_GONE


def quieten_tensorflow(imports: bool = True) -> None:
    """Holds back messages that are none of the user's business.

    Args:
        imports: Whether to import TensorFlow, whose import is what is loud.
    """
    if logging.level_debug():
        return
    logging.use_absl_handler()  # Before TensorFlow brings one of its own.
    logging.get_absl_handler().python_handler.addFilter(_concerns_the_user)
    if imports and "tensorflow" not in sys.modules:
        # TensorFlow's C++ code writes some lines before it reads
        # TF_CPP_MIN_LOG_LEVEL, and an error if there is no GPU.
        with _stderr_held_back():
            import tensorflow as tf

            tf.config.list_physical_devices()


def _concerns_the_user(record) -> bool:
    """Whether a log record is ours, or a warning that a user can act on."""
    libraries = ("tensorflow", "tensorflow_datasets", "tf2onnx")
    if not any(f"{os.sep}{n}{os.sep}" in record.pathname for n in libraries):
        return True
    deprecation = "deprecated" in record.getMessage()
    return record.levelname not in ("DEBUG", "INFO") and not deprecation


@contextlib.contextmanager
def _stderr_held_back():
    """Discards what is written to file descriptor 2, unless it fails."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            held_back.seek(0)
            os.write(stderr, held_back.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _check_positional(arguments, positional):
    if len(arguments) != len(positional):
        expected = " ".join(name.upper() for name in positional) or "none"
        raise ValueError(
            f"arguments without a flag must be: {expected}. "
            f"Received: {' '.join(arguments) or 'none'}"
        )


def _no_room_for_temporary_files(error) -> OSError:
    return OSError(
        f"no space left in {tempfile.gettempdir()} for temporary files; "
        f"TMPDIR names another folder ({type(error).__name__})"
    )


def _report(name, error) -> int:
    logging.debug("The traceback, because of --verbosity:", exc_info=True)
    message = " ".join(str(error).split()) or type(error).__name__
    print(f"{name}: {message}", file=sys.stderr)
    return USER_ERROR
