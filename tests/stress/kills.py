"""Does a command that is killed leave nothing that passes for whole?

SIGKILL at random moments; what is there is checked, and the same command is
given again, until it ends. The result has to be that of a run that was left
alone. Most of a run writes nothing: three of four kills wait for a random one
of the changes that it makes to the files, the rest for a random time.
"""

import collections
import contextlib
import dataclasses
import math
import os
import pathlib
import re
import signal
import stat
import subprocess
import tempfile
import time
from typing import NamedTuple

import numpy as np

from tests.stress.tasks import TASKS, Task

_ROOT = pathlib.Path(__file__).parents[2]
_MOST_SECONDS = 900  # Of a run.
_KILLS_A_WORK = 6  # Before it may end.
_BY_CHANGES = 0.75  # Of the kills.
_SOON = 0.02  # Seconds behind a change, on average.
_POLL = 0.005  # Seconds.
# A file or folder on its way: ours, tempfile's, and those of checkpoints.
_TEMPORARY = re.compile(r"(^|/)tmp|\.tmp|(^|/)download-|_temp(/|$)|tempstate")


@dataclasses.dataclass
class Kills:
    """How the kills of one command went.

    Attributes:
        seed: Of the random moments.
        killed: How many runs were ended by SIGKILL.
        missed: How many had ended before.
        moments: Number of kills by what the killed run had done: `nothing`
            that is seen, `temporary` (a temporary name was there), `partial`
            (files, none of them temporary), or `whole` (all was there, and the
            process about to end).
        overwritten: How often only `--overwrite` made it go on, of a command
            that is allowed to ask for it.
        problems: What must not be: a file that passes for whole, a command
            that does not go on, another result.
    """

    seed: int
    killed: int = 0
    missed: int = 0
    overwritten: int = 0
    moments: collections.Counter = dataclasses.field(
        default_factory=collections.Counter
    )
    problems: list[str] = dataclasses.field(default_factory=list)


class _Watch:
    """The files of a folder, and how often they were seen to change."""

    def __init__(self, folder):
        self._folder = folder
        self._before = self._last = self._files()
        self.changes = 0

    def look(self) -> None:
        files = self._files()
        self.changes += files != self._last
        self._last = files

    def moment(self) -> str:
        """What was done since the beginning, a key of `Kills.moments`."""
        new = {p for p, s in self._files().items() if self._before.get(p) != s}
        if any(map(_TEMPORARY.search, new)):
            return "temporary"
        return "partial" if new or self.changes else "nothing"

    def _files(self) -> dict[str, tuple[int, int]]:
        """Size and time of what is there, by name."""
        found = {}
        # Unlike `rglob`, `walk` bears with folders that go meanwhile.
        for folder, folders, files in os.walk(self._folder):
            for name in [*folders, *files]:
                path = pathlib.Path(folder, name)
                try:
                    status = path.stat()
                except OSError:  # Gone meanwhile.
                    continue
                is_file = stat.S_ISREG(status.st_mode)
                times = status.st_size, status.st_mtime_ns
                relative = str(path.relative_to(self._folder))
                found[relative] = times if is_file else (0, 0)
        return found


class _Undisturbed(NamedTuple):
    """A run that was left alone: how many changes, how long, what it gave."""

    changes: int
    seconds: float
    result: object


def kill_again_and_again(name: str, count: int, seed: int) -> Kills:
    """Kills the task `name` of `TASKS` at `count` random moments.

    Args:
        name: Of the task.
        count: Number of kills. Several hit one and the same work, which goes
            on in between; it begins anew when it is done.
        seed: Of the moments, which depend on the machine's speed too.
    """
    task, rng, kills = TASKS[name], np.random.default_rng(seed), Kills(seed)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        task.prepare(folder)
        output = _place(folder, "whole")
        start = time.monotonic()
        _, watch = _run(task, folder, output)
        seconds = time.monotonic() - start
        whole = _Undisturbed(watch.changes, seconds, task.result(output))
        # A command that always fails would never be killed.
        for number in range(count):
            most = min(_KILLS_A_WORK, count - kills.killed)
            output = _place(folder, f"parts{number}")
            try:
                _kill_one_work(task, folder, output, whole, most, rng, kills)
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
                kills.problems.append(problem[:2_000])
            if kills.killed == count:
                break
    return kills


def _kill_one_work(task: Task, folder, output, whole, most, rng, kills) -> None:
    """Kills up to `most` times, and lets it end."""
    for _ in range(most):
        changes, seconds = _random_moment(rng, whole)
        killed, watch = _run(task, folder, output, changes, seconds)
        if not killed:
            kills.missed += 1
            break
        kills.killed += 1
        is_whole = _is_whole(task, output, whole.result)
        kills.moments["whole" if is_whole else watch.moment()] += 1
        task.check(output)
    else:
        _run(task, folder, output)
    if task.needs_overwrite and not _is_whole(task, output, whole.result):
        kills.overwritten += 1
        _run(task, folder, output, more=["--overwrite"])
    if task.result(output) != whole.result:
        raise AssertionError("the result is another one")


def _place(folder, name) -> pathlib.Path:
    """Of a run's results; all that it writes is in the folder around."""
    (folder / name).mkdir()
    return folder / name / "output"


def _random_moment(rng, whole) -> tuple[int, float]:
    """How many changes to wait for, and so many seconds behind them."""
    if rng.random() < _BY_CHANGES:
        changes = int(rng.integers(1, whole.changes, endpoint=True))
        return changes, rng.exponential(_SOON)
    return 0, rng.uniform(0, whole.seconds)


def _start(task, folder, output, more) -> subprocess.Popen:
    temporary = folder / "temporary"
    temporary.mkdir(exist_ok=True)
    with open(folder / "stderr", "w", encoding="utf-8") as stderr:
        return subprocess.Popen(
            [*task.command(folder, output), *more],
            cwd=_ROOT,
            env={
                **os.environ,
                "PYTHONPATH": str(_ROOT),
                "TMPDIR": str(temporary),  # Goes with the folder.
            },
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )


def _run(
    task, folder, output, changes=math.inf, seconds=None, more=()
) -> tuple[bool, _Watch]:
    """Gives the command, and kills it after so many changes and seconds.

    Returns:
        Whether it was killed before it ended, and what it did.

    Raises:
        AssertionError: If it ended with an error.
    """
    watch = _Watch(output.parent)
    process = _start(task, folder, output, more)
    latest = time.monotonic() + _MOST_SECONDS
    try:
        while watch.changes < changes and process.poll() is None:
            time.sleep(_POLL)
            watch.look()
            if time.monotonic() > latest:
                raise AssertionError(f"has not ended after {_MOST_SECONDS} s")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    finally:
        process.kill()  # Unless it has ended.
    if process.wait() == -signal.SIGKILL:
        return True, watch
    errors = (folder / "stderr").read_text(encoding="utf-8")
    # Results that are whole may be refused; whether they are is seen later.
    if process.returncode and "--overwrite" not in errors:
        raise AssertionError(f"exit status {process.returncode}: {errors}")
    return False, watch


def _is_whole(task, output, expected) -> bool:
    try:
        return task.result(output) == expected
    except Exception:  # Anything: it is not whole.
        return False
