"""How are times taken and told? The same way in every benchmark.

All candidates run in turns within one process, so that a busy moment of the
machine hits all of them; the figures are medians over the turns, and their
ratios are what to trust. Memory is the peak of a process of its own.
"""

import importlib.metadata
import json
import multiprocessing
import os
import pathlib
import platform
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

# Before TensorFlow is imported, here and in the processes started here.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Else TensorFlow takes all memory of a GPU, and leaves its peers none.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")

_PACKAGES = ("tensorflow", "keras", "numpy", "torch", "ai-edge-litert")


def in_turns(
    candidates: Mapping[str, Callable[[], object]],
    turns: int,
    warm: bool = False,
) -> dict[str, list[float]]:
    """Seconds of each call: every candidate once a turn.

    Args:
        candidates: Functions that return when the work is done.
        turns: How often to run each.
        warm: Whether all have run before; if not, a first turn is not counted.
    """
    seconds = {name: [] for name in candidates}
    for turn in range(turns if warm else turns + 1):
        for name, run in candidates.items():
            start = time.perf_counter()
            run()
            if turn or warm:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def median(seconds: Sequence[float]) -> float:
    """Their median."""
    return statistics.median(seconds)


def peak_memory(function: Callable[..., object], *arguments) -> float:
    """Peak resident memory of a new process that calls a function, MiB."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_peak_memory, (function, *arguments))


def own_peak_memory() -> float:
    """Peak resident memory of this process so far, MiB (Linux)."""
    # Not getrusage, whose maximum a new process inherits.
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) / 1024


def _peak_memory(function, *arguments) -> float:
    function(*arguments)
    return own_peak_memory()


def report(
    title: str,
    rows: Sequence[Mapping[str, object]],
    command: str,
    output: pathlib.Path | None,
) -> None:
    """Prints a table, where it was measured, and writes both as JSON.

    Args:
        title: What was measured.
        rows: All with the same keys, which head the columns.
        command: How to get these numbers again.
        output: A file to write; replaced if it exists.
    """
    heads = list(rows[0])
    cells = [heads, *([_text(row[head]) for head in heads] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    print(f"\n{title}")
    for line in cells:
        first, *others = zip(line, widths, strict=True)
        parts = [first[0].ljust(first[1]), *(t.rjust(w) for t, w in others)]
        print("  ".join(parts))
    machine = machine_facts()
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    print(f"command: {command}")
    if output:
        content = {"title": title, "command": command, "rows": list(rows)}
        text = json.dumps({**content, "machine": machine}, indent=2)
        output.write_text(text + "\n")


def machine_facts() -> dict[str, object]:
    """Processor, cores, Python and the versions of what was measured."""
    facts = {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
    }
    for package in _PACKAGES:
        try:
            facts[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return facts


def _processor() -> str:
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        entries = [line.partition(":") for line in lines]
        names = [
            text for key, _, text in entries if key.strip() == "model name"
        ]
        return names[0].strip()
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return "" if value is None else str(value)
