r"""Trains a BagNet.

Examples:
    python -m train.main --config=glyphs --workdir=runs/glyphs
    python -m train.main --config=imagenette --workdir=runs/imagenette \
        --data_dir=~/tensorflow_datasets --config.epochs=8
    python -m train.main --config=glyphs --workdir=runs/three --seeds=0,1,2
    python -m train.main --config=glyphs --workdir=runs/glyphs --json | \
        jq .top1.value

Running it again with the same configuration resumes. Exit status: 0 when all
epochs are done, 2 for a mistake in the arguments, 75 when another worker was
lost, 130 when it was stopped by Ctrl-C or SIGTERM; after the last two the same
command goes on.
"""

import functools
import pathlib
import sys

from absl import flags, logging

from bagnet_tf.commands import shared_flags
from bagnet_tf.commands.entry import INTERRUPTED, run_command
from bagnet_tf.commands.json_answer import for_people, print_json

from . import config_flag, strategy_flags

_CONFIG = config_flag.config(flags.FLAGS)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder for models, metrics, checkpoints and logs."
)
_DATA_DIR = shared_flags.data_dir(flags.FLAGS)
_STRATEGY = strategy_flags.strategy(flags.FLAGS)
_CPU_REPLICAS = strategy_flags.cpu_replicas(flags.FLAGS)
_SKIP_CORRUPT = shared_flags.skip_corrupt(flags.FLAGS)
_PROFILE_STEPS = flags.DEFINE_list(
    "profile_steps",
    None,
    "FIRST,END: profile these steps, counted from 0, for TensorBoard (pip "
    "install tensorboard-plugin-profile). Steps of one call "
    "(--config.steps_per_call) are profiled together.",
)
_SEEDS = flags.DEFINE_list(
    "seeds",
    None,
    "Several runs, one a seed, in WORKDIR/seed_N; then WORKDIR/seeds.json and "
    "a table with mean and standard deviation. In place of config.seed.",
)
_JSON = shared_flags.json(flags.FLAGS)
flags.mark_flags_as_required(["config", "workdir"])


def main() -> int:
    """Trains as the flags say."""
    from .strategies import WORKER_LOST, WorkerLostError

    try:
        with for_people(_JSON.value):
            result = _train()
            _report(result)
    except WorkerLostError as error:
        print(f"train: {error}", file=sys.stderr)
        return WORKER_LOST
    if not result.finished:
        return INTERRUPTED
    if _JSON.value and result.metrics:  # Of several workers the chief's.
        print_json(result.metrics)
    return 0


def _train():
    """One run, or one a seed."""
    seeds, steps = _seeds(), _steps_to_profile()

    from .strategies import make_strategy

    strategy = make_strategy(_STRATEGY.value, _CPU_REPLICAS.value)

    from .trainer import train

    logging.set_verbosity(max(logging.get_verbosity(), logging.INFO))
    train_one = functools.partial(
        train,
        data_dir=_DATA_DIR.value,
        strategy=strategy,
        skip_corrupt=_SKIP_CORRUPT.value,
        profile_steps=steps,
    )
    if seeds is None:
        return train_one(_CONFIG.value, _WORKDIR.value)
    from .seeds import train_seeds

    return train_seeds(train_one, _CONFIG.value, _WORKDIR.value, seeds)


def _report(result) -> None:
    """Says how it ended."""
    workdir = pathlib.Path(_WORKDIR.value)
    if not result.finished:
        print(
            f"Stopped after step {result.step}. Run the same command again to "
            "go on."
        )
    elif _SEEDS.value is not None:
        from .seeds import seeds_table

        print(seeds_table(result.metrics))
        print(f"Metrics: {workdir / 'seeds.json'}")
    elif result.metrics:  # Of several workers the chief's.
        from .summary import run_summary

        print(run_summary(result.metrics))
        print(f"Model:   {workdir / 'model.keras'}")
        print(f"Metrics: {workdir / 'metrics.json'}")


def _seeds() -> list[int] | None:
    if _SEEDS.value is None:
        return None
    given = ",".join(_SEEDS.value)
    if not all(seed.isdecimal() for seed in _SEEDS.value) or not given:
        raise ValueError(
            "seeds must be whole numbers from 0, such as 0,1,2. "
            f"Received: seeds={given}"
        )
    seeds = [int(seed) for seed in _SEEDS.value]
    if len(set(seeds)) < len(seeds):
        raise ValueError(
            f"seeds must be different numbers. Received: seeds={given}"
        )
    if _STRATEGY.value == "multi_worker":
        raise ValueError(
            "seeds are trained by one process; with several workers, start "
            "one run after the other with --config.seed. "
            f"Received: seeds={given} with strategy=multi_worker"
        )
    return seeds


def _steps_to_profile() -> list[int] | None:
    if _PROFILE_STEPS.value is None:
        return None
    try:
        return [int(step) for step in _PROFILE_STEPS.value]
    except ValueError as error:
        raise ValueError(
            "profile_steps must be FIRST,END. "
            f"Received: profile_steps={','.join(_PROFILE_STEPS.value)}"
        ) from error


def run() -> None:
    """Entry point of `bagnet-train`."""
    run_command(main, "train")


if __name__ == "__main__":
    run()
