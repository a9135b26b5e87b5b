"""Reads damaged files one after the other, and says how each try ended.

python -m tests.stress.worker TARGET FIRST_SEED NUM_SEEDS RESULTS

A process of its own, since native code can crash or hang: then the last line
of RESULTS names the seed. A hang is ended by SIGALRM, whose default action
native code cannot postpone.
"""

import json
import pathlib
import resource
import signal
import sys
import tempfile
import time
import traceback

SECONDS_AN_INPUT = 60
# What one reader may take in all; a file that asks for more has to be refused.
_MOST_BYTES = 12 << 30


def main(name: str, first: int, count: int, results: str) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    from tests.stress.mutations import mutated
    from tests.stress.targets import TARGETS

    target = TARGETS[name]
    with (
        open(results, "a", encoding="utf-8") as file,
        tempfile.TemporaryDirectory() as folder,
    ):
        folder = pathlib.Path(folder)
        samples = target.samples(folder)
        for seed in range(first, first + count):
            _write(file, {"begin": seed})
            data = mutated(samples, seed)
            signal.alarm(SECONDS_AN_INPUT)
            start = time.monotonic()
            outcome = outcome_of(target, folder, data)
            signal.alarm(0)
            seconds = round(time.monotonic() - start, 3)
            _write(file, {"seed": seed, "seconds": seconds} | outcome)


def outcome_of(target, folder, data) -> dict:
    """Whether a damaged file was read, refused as documented, or neither."""
    try:
        target.read(folder, data)
    except ValueError as error:
        words = str(error)
        if "Received: " in words and len(words) < 20_000:
            return {"outcome": "refused"}
        return {"outcome": "unexplained", "detail": traceback.format_exc()}
    except BaseException:
        return {"outcome": "traceback", "detail": traceback.format_exc()}
    return {"outcome": "read"}


def _write(file, line: dict) -> None:
    file.write(json.dumps(line) + "\n")
    file.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
