"""The command train.evaluate, within the process of a test."""

import contextlib
import io

from train import evaluate


def run_evaluate(**changes) -> tuple[str, str]:
    """Runs it with flags, and gives what it prints to stdout and stderr."""
    flags = [f"--{key}={value}" for key, value in changes.items()]
    evaluate._FLAGS.unparse_flags()
    for flag in evaluate._FLAGS:
        evaluate._FLAGS[flag].unparse()
    evaluate._FLAGS(["evaluate", *flags])
    with (
        contextlib.redirect_stdout(io.StringIO()) as printed,
        contextlib.redirect_stderr(io.StringIO()) as errors,
    ):
        evaluate.main()
    return printed.getvalue(), errors.getvalue()
