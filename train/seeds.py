"""How far apart do runs end that differ by their seed only?"""

import pathlib
import statistics
from collections.abc import Callable, Mapping, Sequence

import keras
import ml_collections

from bagnet_tf.files import write_json

from .summary import headline
from .trainer import TrainingResult


def train_seeds(
    train_one: Callable[[ml_collections.ConfigDict, str], TrainingResult],
    config: ml_collections.ConfigDict,
    workdir: str,
    seeds: Sequence[int],
) -> TrainingResult:
    """Trains one run a seed, one after the other, or goes on with them.

    Args:
        train_one: Trains a configuration in a folder.
        config: What all runs share; its own seed does not count.
        workdir: Gets a folder `seed_N` a run and, when all are done,
            `seeds.json`.
        seeds: At least one, each once.

    Returns:
        How it ended: the metrics are `summarize`'s, the steps those of all
        runs so far. A run that is stopped ends it.

    Raises:
        ValueError: If `workdir` is that of a single run, or a run cannot be
            trained.
    """
    folder = pathlib.Path(workdir)
    if (folder / "config.json").exists():
        raise ValueError(
            "workdir must not be that of a single run: each seed gets a folder "
            f"of its own within it. Received: workdir={workdir!r}"
        )
    steps, metrics = 0, {}
    for seed in seeds:
        keras.utils.clear_session()  # Of the graphs of the run before.
        own = ml_collections.ConfigDict(config.to_dict())
        own.seed = seed
        result = train_one(own, str(folder / f"seed_{seed}"))
        steps += result.step
        if not result.finished:
            return TrainingResult(False, steps, {})
        metrics[seed] = result.metrics
    summary = summarize(metrics)
    write_json(folder / "seeds.json", summary)
    return TrainingResult(True, steps, summary)


def summarize(metrics: Mapping[int, Mapping]) -> dict:
    """Mean and spread of the headline metrics.

    Args:
        metrics: By seed, what `metrics.json` of its run holds.

    Returns:
        JSON-ready: `dataset`, `split`, `runs` (of each its `seed` and headline
        metrics), and by metric `mean` and `standard_deviation` (of the sample,
        divided by one less than the number of runs). `None` where a run has no
        value, or of a deviation with a single run.
    """
    runs = {seed: headline(of_run) for seed, of_run in metrics.items()}
    first = next(iter(metrics.values()))
    means, deviations = {}, {}
    for name in next(iter(runs.values())):
        values = [run[name] for run in runs.values()]
        known = None not in values
        means[name] = statistics.fmean(values) if known else None
        deviations[name] = (
            statistics.stdev(values) if known and len(values) > 1 else None
        )
    return {
        "dataset": first["dataset"],
        "split": first["split"],
        "runs": [{"seed": seed, **run} for seed, run in runs.items()],
        "mean": means,
        "standard_deviation": deviations,
    }


def seeds_table(summary: Mapping) -> str:
    """What `summarize` gives, as aligned lines: a metric a row."""
    columns = ["seed", *(str(run["seed"]) for run in summary["runs"])]
    rows = [[*columns, "mean", "deviation"]]
    for name, mean in summary["mean"].items():
        values = [run[name] for run in summary["runs"]]
        values += [mean, summary["standard_deviation"][name]]
        rows.append([name, *map(_number, values)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"{summary['split']} of {summary['dataset']}"]
    for name, *cells in rows:
        padded = [
            cell.rjust(width)
            for cell, width in zip(cells, widths[1:], strict=True)
        ]
        lines.append("  ".join([name.ljust(widths[0]), *padded]))
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
