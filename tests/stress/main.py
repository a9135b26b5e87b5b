"""`make stress`: damaged files and killed commands, counted.

python -m tests.stress.main [--inputs=10000] [--kills=50] [--seconds=20] \
    [--parts=commands] [--output=.build/stress.json]

Takes about an hour on two cores; a part alone leaves what OUTPUT has of the
others. Exit status 1 if anything did harm.
"""

import json
import pathlib
import time
from collections.abc import Iterable, Iterator

from absl import app, flags

from bagnet_tf.files import write_json
from bagnet_tf.version import library_versions
from tests.stress import guided
from tests.stress.fuzzing import HARM, fuzz
from tests.stress.kills import kill_again_and_again
from tests.stress.targets import TARGETS
from tests.stress.tasks import TASKS

_INPUTS = flags.DEFINE_integer("inputs", 10_000, "Damaged files in all.")
_KILLS = flags.DEFINE_integer("kills", 50, "Kills in all.")
_SECONDS = flags.DEFINE_integer("seconds", 20, "Of each guided target.")
_SEED = flags.DEFINE_integer("seed", 0, "The first seed of each kind.")
_KINDS = ["commands", "guided", "files"]
_PARTS = flags.DEFINE_multi_enum("parts", _KINDS, _KINDS, "What to do.")
_OUTPUT = flags.DEFINE_string("output", ".build/stress.json", "The counts.")


def main(arguments) -> int:
    del arguments
    output = pathlib.Path(_OUTPUT.value)
    output.parent.mkdir(parents=True, exist_ok=True)
    content = json.loads(output.read_text()) if output.exists() else {}
    makers = {
        "commands": _killed_commands,
        "guided": _guided_tries,
        "files": _damaged_files,
    }
    for part in _PARTS.value:
        start = time.time()
        content[part] = makers[part]()
        content.setdefault("seconds", {})[part] = round(time.time() - start)
        content["versions"] = library_versions()
        _sum_up(content)
        write_json(output, content)
    print(
        f"{content['inputs']} files, {content['guided_tries']} guided tries, "
        f"{content['harm']} did harm; "
        f"{content['kills']} kills, {content['problems']} problems: {output}"
    )
    return int(bool(content["harm"] or content["problems"]))


def _sum_up(content) -> None:
    files = content.get("files", {}).values()
    commands = content.get("commands", {}).values()
    content["inputs"] = sum(sum(f["outcomes"].values()) for f in files)
    tries = content.get("guided") or {}  # None without atheris.
    content["guided_tries"] = sum(
        sum(t["outcomes"].values()) for t in tries.values()
    )
    content["harm"] = sum(len(f["harm"]) for f in [*files, *tries.values()])
    content["kills"] = sum(c["killed"] for c in commands)
    content["problems"] = sum(len(c["problems"]) for c in commands)


def _damaged_files() -> dict[str, dict]:
    targets = {name: TARGETS[name] for name in _possible(TARGETS)}
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


def _possible(names: Iterable[str]) -> Iterator[str]:
    """Those whose packages are installed."""
    for name in names:
        if package := TARGETS[name].missing:
            print(f"{name}: passed over, {package} is not installed")
        else:
            yield name


def _guided_tries() -> dict[str, dict] | None:
    if not guided.is_installed():
        print("\natheris is not installed: no guided tries (the extra fuzz)")
        return None
    found = {}
    print(
        f"\n{'guided':26} {'tries':>6} {'read':>6} {'refused':>8} {'edges':>5}"
    )
    for name in _possible(guided.NAMES):
        found[name] = guided.fuzz_guided(name, _SECONDS.value, _SEED.value)
        outcomes = found[name]["outcomes"]
        print(
            f"{name:26} {sum(outcomes.values()):6} {outcomes.get('read', 0):6} "
            f"{outcomes.get('refused', 0):8} {found[name]['edges']:5} "
            f"{len(found[name]['harm'])} did harm",
            flush=True,
        )
    return found


def _killed_commands() -> dict[str, dict]:
    found = {}
    print(f"\n{'command':26} {'killed':>6} {'missed':>6} {'problems':>8}")
    for number, name in enumerate(TASKS):
        count = -(-(_KILLS.value - number) // len(TASKS))
        kills = kill_again_and_again(name, count, _SEED.value)
        print(
            f"{name:26} {kills.killed:6} {kills.missed:6} "
            f"{len(kills.problems):8} {dict(kills.moments)}",
            flush=True,
        )
        found[name] = vars(kills)
    return found


if __name__ == "__main__":
    app.run(main)
