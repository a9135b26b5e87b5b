"""`make stress`: damaged files and killed commands, counted.

python -m tests.stress.main [--inputs=10000] [--kills=50] \
    [--output=.build/stress.json]

Takes about half an hour on two cores. Exit status 1 if anything did harm.
"""

import pathlib
import time

from absl import app, flags

from bagnet_tf.files import write_json
from bagnet_tf.version import library_versions
from tests.stress.fuzzing import HARM, fuzz
from tests.stress.kills import kill_again_and_again
from tests.stress.targets import TARGETS
from tests.stress.tasks import TASKS

_INPUTS = flags.DEFINE_integer("inputs", 10_000, "Damaged files in all.")
_KILLS = flags.DEFINE_integer("kills", 50, "Kills in all.")
_SEED = flags.DEFINE_integer("seed", 0, "The first seed of each kind.")
_OUTPUT = flags.DEFINE_string("output", ".build/stress.json", "The counts.")


def main(arguments) -> int:
    del arguments
    start = time.time()
    files = _damaged_files()
    kills = _killed_commands()
    content = {
        "inputs": sum(sum(f["outcomes"].values()) for f in files.values()),
        "harm": sum(len(f["harm"]) for f in files.values()),
        "kills": sum(k["killed"] for k in kills.values()),
        "problems": sum(len(k["problems"]) for k in kills.values()),
        "seconds": round(time.time() - start),
        "files": files,
        "commands": kills,
        "versions": library_versions(),
    }
    output = pathlib.Path(_OUTPUT.value)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_json(output, content)
    print(
        f"{content['inputs']} files, {content['harm']} did harm; "
        f"{content['kills']} kills, {content['problems']} problems: {output}"
    )
    return int(bool(content["harm"] or content["problems"]))


def _damaged_files() -> dict[str, dict]:
    targets = TARGETS
    total = sum(target.share for target in targets.values())
    found = {}
    print(f"{'file':26} {'tries':>6} {'read':>6} {'refused':>8} {'harm':>5}")
    for name, target in targets.items():
        # Rounded up, so that there are not fewer in all.
        count = -(-_INPUTS.value * target.share // total)
        counts = fuzz(name, _SEED.value, count)
        harm = sum(counts.outcomes[kind] for kind in HARM)
        print(
            f"{name:26} {count:6} {counts.outcomes['read']:6} "
            f"{counts.outcomes['refused']:8} {harm:5}",
            flush=True,
        )
        found[name] = {
            "outcomes": dict(counts.outcomes),
            "slowest_seconds": counts.slowest,
            "harm": counts.harm,
        }
    return found


def _killed_commands() -> dict[str, dict]:
    found = {}
    print(f"\n{'command':26} {'killed':>6} {'missed':>6} {'problems':>8}")
    for number, name in enumerate(TASKS):
        count = -(-(_KILLS.value - number) // len(TASKS))
        kills = kill_again_and_again(name, count, _SEED.value)
        print(
            f"{name:26} {kills.killed:6} {kills.missed:6} "
            f"{len(kills.problems):8}",
            flush=True,
        )
        found[name] = vars(kills)
    return found


if __name__ == "__main__":
    app.run(main)
