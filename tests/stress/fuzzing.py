"""How many damaged files are read, refused as documented, or do harm?"""

import collections
import dataclasses
import json
import pathlib
import subprocess
import sys
import tempfile

from tests.stress.worker import SECONDS_AN_INPUT

_ROOT = pathlib.Path(__file__).parents[2]
# What must not happen.
HARM = ("unexplained", "traceback", "crash", "hang")
_HANG = -14  # SIGALRM.
_IMPORTS = 300  # Seconds until a worker is ready, on a busy machine.


@dataclasses.dataclass
class Counts:
    """How the tries with one kind of file ended.

    Attributes:
        outcomes: Number of tries by outcome: `read`, `refused` or one of
            `HARM`.
        slowest: Seconds of the slowest try.
        harm: Of each harmful try its seed, outcome and detail.
    """

    outcomes: collections.Counter = dataclasses.field(
        default_factory=collections.Counter
    )
    slowest: float = 0.0
    harm: list[dict] = dataclasses.field(default_factory=list)

    def add(self, line: dict) -> None:
        self.outcomes[line["outcome"]] += 1
        self.slowest = max(self.slowest, line.get("seconds", 0.0))
        if line["outcome"] in HARM:
            self.harm.append(line)


def fuzz(name: str, first: int, count: int) -> Counts:
    """Lets a worker read `count` damaged files of the target `name`.

    A worker that crashes or hangs is counted with the seed that made it, and
    another one goes on behind it.

    Args:
        name: Of one of `TARGETS`.
        first: The first seed.
        count: Number of seeds.
    """
    counts, last = Counts(), first + count
    while first < last:
        lines, status, errors = _run_worker(name, first, last - first)
        for line in lines:
            if "outcome" in line:
                counts.add(line)
        begun = [line["begin"] for line in lines if "begin" in line]
        if status == 0:
            break
        if not begun or status == 1:
            raise RuntimeError(f"The worker of {name} fails: {errors}")
        outcome = "hang" if status == _HANG else "crash"
        detail = f"exit status {status}: {errors[-2000:]}"
        counts.add({"seed": begun[-1], "outcome": outcome, "detail": detail})
        first = begun[-1] + 1
    return counts


def _run_worker(name, first, count) -> tuple[list[dict], int, str]:
    with tempfile.TemporaryDirectory() as folder:
        results = pathlib.Path(folder, "results.jsonl")
        results.touch()
        worker = subprocess.run(
            [
                *(sys.executable, "-m", "tests.stress.worker", name),
                *(str(first), str(count), str(results)),
            ],
            cwd=_ROOT,
            env=_environment(folder),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=_IMPORTS + count * SECONDS_AN_INPUT,
        )
        text = results.read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    return lines, worker.returncode, worker.stderr


def _environment(folder) -> dict[str, str]:
    import os

    return {
        **os.environ,
        "TMPDIR": folder,  # What a worker that crashes leaves goes with it.
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore",
    }
