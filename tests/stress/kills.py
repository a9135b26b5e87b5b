"""Does a command that is killed leave nothing that passes for whole?

SIGKILL at random moments; what is there is checked, and the same command is
given again, until it ends. The result has to be that of a run that was left
alone.
"""

import dataclasses
import os
import pathlib
import signal
import subprocess
import tempfile
import time

import numpy as np

from tests.stress.tasks import TASKS

_ROOT = pathlib.Path(__file__).parents[2]
_MOST_SECONDS = 600
# Of a run, before which nothing but imports happens.
_IMPORTS = 0.3


@dataclasses.dataclass
class Kills:
    """How the kills of one command went.

    Attributes:
        killed: How many runs were ended by SIGKILL.
        missed: How many had ended before.
        left_output: After how many kills there was any output.
        problems: What must not be: a file that passes for whole, a command
            that does not go on, another result.
        seed: Of the random moments.
    """

    seed: int
    killed: int = 0
    missed: int = 0
    left_output: int = 0
    problems: list[str] = dataclasses.field(default_factory=list)


def kill_again_and_again(name: str, count: int, seed: int) -> Kills:
    """Kills the task `name` of `TASKS` at `count` random moments.

    Args:
        name: Of the task.
        count: Number of kills. All hit one and the same work, which goes on in
            between; it begins anew when it is done.
        seed: Of the moments, which depend on the machine's speed too.
    """
    task, rng, kills = TASKS[name], np.random.default_rng(seed), Kills(seed)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        task.prepare(folder)
        whole = folder / "whole"
        start = time.monotonic()
        _finish(task, folder, whole)
        seconds = time.monotonic() - start
        expected, number = task.result(whole), 0
        while kills.killed < count:
            output = folder / f"parts{number}"
            number += 1
            for _ in range(4):  # So many kills before it may end.
                wait = seconds * rng.uniform(_IMPORTS, 1)
                if kills.killed < count and _kill(task, folder, output, wait):
                    kills.killed += 1
                    kills.left_output += output.exists()
                    _note(kills, task.check, output)
                else:
                    kills.missed += kills.killed < count
                    break
            _note(kills, lambda path: _end(task, folder, path), output)
            _note(
                kills,
                lambda path: _assert_equal(task.result(path), expected),
                output,
            )
    return kills


def _start(task, folder, output) -> subprocess.Popen:
    return subprocess.Popen(
        task.command(folder, output),
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _kill(task, folder, output, seconds) -> bool:
    """Whether it was still running after so many seconds."""
    process = _start(task, folder, output)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def _finish(task, folder, output) -> None:
    process = _start(task, folder, output)
    _, errors = process.communicate(timeout=_MOST_SECONDS)
    if process.returncode:
        raise AssertionError(f"exit status {process.returncode}: {errors}")


def _end(task, folder, output) -> None:
    """Gives the command again; results that are whole may be refused."""
    try:
        _finish(task, folder, output)
    except AssertionError as error:
        if "--overwrite" not in str(error):
            raise
        task.check(output)


def _assert_equal(found, expected) -> None:
    if found != expected:
        raise AssertionError("the result is another one")


def _note(kills, check, output) -> None:
    try:
        check(output)
    except Exception as error:
        kills.problems.append(f"{type(error).__name__}: {error}"[:2_000])
