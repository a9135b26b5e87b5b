"""Which inputs reach new lines of our readers, and what comes of them?

python -m tests.stress.guided TARGET SECONDS SEED RESULTS

atheris (libFuzzer) keeps what reaches a line of `bagnet_tf`, `export` or
`train` in a way that nothing did before, and damages it further: by its own
means, and by those of `tests.stress.mutations`. A target is run by a process
of its own, which writes what it counts as JSON; a crash or a hang leaves the
input that made it in the folder of RESULTS.
"""

import collections
import importlib.util
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

from tests.stress.fuzzing import HARM

_ROOT = pathlib.Path(__file__).parents[2]
_OURS = ["bagnet_tf", "export", "train"]
# Readers in Python that need no graph of TensorFlow's.
NAMES = (
    *("photo", "uploaded_photo", "dicom", "large_image", "manifest"),
    *("weights_of_keras", "weights_of_tf2cv", "weights_of_pytorch"),
    *("metadata.json", "manifest_of_patch_logits", "shard_of_patch_logits"),
    *("partial_analysis", "config.json", "metrics.jsonl", "configuration"),
    *("labels", "partial_map", "tflite"),
    *("answer_of_signatures", "answer_of_predictions"),
)
_LARGEST = 65_536  # Bytes of an input.
_HANG = 60  # Seconds.
_START = 300  # Seconds until a process is ready, on a busy machine.


def is_installed() -> bool:
    """Whether atheris is there: `pip install -e .[fuzz]`."""
    return importlib.util.find_spec("atheris") is not None


def fuzz_guided(name: str, seconds: int, seed: int) -> dict:
    """Lets a process of its own try a target for so long.

    Args:
        name: One of `NAMES`.
        seconds: How long, without its start.
        seed: Of libFuzzer's random numbers.

    Returns:
        `outcomes`: number of tries by outcome; `harm`: the first tries of each
        kind that did any; `edges` and `features`: libFuzzer's counts of what
        was reached in our modules.
    """
    with tempfile.TemporaryDirectory() as folder:
        results = pathlib.Path(folder, "results.json")
        worker = subprocess.run(
            [
                *(sys.executable, "-m", "tests.stress.guided", name),
                *(str(seconds), str(seed), str(results)),
            ],
            cwd=_ROOT,
            env={**os.environ, "TMPDIR": folder, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=_START + seconds + 2 * _HANG,
        )
        found = json.loads(results.read_text()) if results.exists() else {}
        if not found.get("outcomes"):
            raise RuntimeError(f"{name} cannot be tried: {worker.stderr}")
        inputs = [
            path.read_bytes().hex()[:20_000]
            for kind in ("crash", "timeout", "oom")
            for path in pathlib.Path(folder).glob(f"{kind}-*")
        ]
    if worker.returncode:
        outcome = "hang" if "timeout" in worker.stderr else "crash"
        found["outcomes"][outcome] = 1
        detail = worker.stderr[-2_000:]
        found["harm"].append(
            {"outcome": outcome, "detail": detail, "input": inputs}
        )
    reached = re.findall(r"cov: (\d+) ft: (\d+)", worker.stderr)
    edges, features = map(int, reached[-1]) if reached else (0, 0)
    return found | {"edges": edges, "features": features}


# === In the process of a target ===


def main(name: str, seconds: int, seed: int, results: str) -> None:
    import atheris

    with atheris.instrument_imports(
        include=_OURS, enable_loader_override=False
    ):
        from tests.stress import mutations, worker
        from tests.stress.targets import TARGETS

    target, folder = TARGETS[name], pathlib.Path(tempfile.mkdtemp())
    samples = target.samples(folder)
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, data in enumerate(samples):
        (corpus / str(number)).write_bytes(data)
    outcomes, harm = collections.Counter(), {}

    def read(data):
        found = worker.outcome_of(target, folder, data)
        outcomes[found["outcome"]] += 1
        if found["outcome"] in HARM:
            # Of one place in the code, one is enough.
            place = re.findall(r'File ".*?", line \d+', found["detail"])[-1]
            harm.setdefault(place, found | {"input": data.hex()[:20_000]})
        is_over = time.monotonic() > end
        if is_over or outcomes.total() % 500 == 0:  # A crash takes the rest.
            write()
        if is_over:
            os._exit(0)

    def write():
        content = {"outcomes": outcomes, "harm": list(harm.values())}
        path = pathlib.Path(results)
        path.with_suffix(".tmp").write_text(json.dumps(content))
        path.with_suffix(".tmp").replace(path)

    def mutate(data, most, number):
        if number % 2:
            return atheris.Mutate(data, most)
        other = mutations.damaged(data, samples, random.Random(number))
        return other[:most]

    arguments = [
        *("guided", str(corpus), f"-seed={seed + 1}", f"-max_len={_LARGEST}"),
        *(f"-timeout={_HANG}", "-rss_limit_mb=0"),
        f"-artifact_prefix={pathlib.Path(results).parent}/",
    ]
    atheris.Setup(arguments, read, custom_mutator=mutate)
    end = time.monotonic() + seconds
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
