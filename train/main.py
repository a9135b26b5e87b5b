"""Trains a BagNet.

Examples:
    python -m train.main --config=glyphs --workdir=runs/glyphs
    python -m train.main --config=imagenette --workdir=runs/imagenette \
        --data_dir=~/tensorflow_datasets --config.epochs=8

Running it again with the same configuration resumes. Exit status: 0 when all
epochs are done, 2 for a mistake in the arguments, 75 when another worker was
lost, 130 when it was stopped by Ctrl-C or SIGTERM; after the last two the same
command goes on.
"""

import pathlib
import sys

from absl import flags, logging
from ml_collections import config_flags

from bagnet_tf.commands import shared_flags
from bagnet_tf.commands.entry import INTERRUPTED, run_command

from . import strategy_flags

_CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "A configuration: a .py file, or the name of one of train/configs. "
    "--config.KEY=VALUE changes an entry.",
)
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
flags.mark_flags_as_required(["config", "workdir"])


def main() -> int:
    """Trains as the flags say."""
    from .strategies import WORKER_LOST, WorkerLostError, make_strategy

    strategy = make_strategy(_STRATEGY.value, _CPU_REPLICAS.value)

    from .trainer import train

    logging.set_verbosity(max(logging.get_verbosity(), logging.INFO))
    try:
        result = train(
            _CONFIG.value,
            _WORKDIR.value,
            _DATA_DIR.value,
            strategy,
            _SKIP_CORRUPT.value,
            _steps_to_profile(),
        )
    except WorkerLostError as error:
        print(f"train: {error}", file=sys.stderr)
        return WORKER_LOST
    workdir = pathlib.Path(_WORKDIR.value)
    if not result.finished:
        print(
            f"Stopped after step {result.step}. Run the same command again to "
            "go on."
        )
        return INTERRUPTED
    if not result.metrics:
        return 0  # The chief of the workers reports.
    low, high = result.metrics["top1"]["interval95"]
    print(
        f"{result.metrics['split']} of {result.metrics['dataset']}: "
        f"top-1 {result.metrics['top1']['value']:.4f} "
        f"(95 % interval {low:.4f} to {high:.4f}, "
        f"{result.metrics['count']} images)\n"
        f"Model:   {workdir / 'model.keras'}\n"
        f"Metrics: {workdir / 'metrics.json'}"
    )
    return 0


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


def _expand_config_name(argument: str) -> str:
    """Turns `--config=NAME` into the path of a configuration that we ship."""
    flag, _, value = argument.partition("=")
    if flag.lstrip("-") != "config" or not value.isidentifier():
        return argument
    folder = pathlib.Path(__file__).parent / "configs"
    path = folder / f"{value}.py"
    if not path.is_file():
        names = sorted(p.stem for p in folder.glob("[!_]*.py"))
        sys.exit(
            f"train: config must be a .py file or one of {', '.join(names)}. "
            f"Received: config={value!r}"
        )
    return f"{flag}={path}"


def run() -> None:
    """Entry point of `bagnet-train`."""
    sys.argv[1:] = [_expand_config_name(a) for a in sys.argv[1:]]
    run_command(main, "train")


if __name__ == "__main__":
    run()
