r"""Runs one of the paper's analyses on a model and a dataset.

Examples:
    python -m bagnet_tf.commands.analyze logit-histogram \
        --model=runs/glyphs/model.keras --dataset=glyphs --output=analysis
    python -m bagnet_tf.commands.analyze accuracy-vs-patch \
        --model=bagnet33-imagenet --compare=bagnet9-imagenet,vgg16 \
        --dataset=imagenette/320px-v2 --output=analysis

Writes EXPERIMENT.png and .svg, the table EXPERIMENT.csv, and EXPERIMENT.json,
which holds the numbers, the command, versions and the seed. A run that was
interrupted goes on where it was when the same command is given again.
docs/analysis.md says what each experiment shows. Exit status: 0, or 2 for a
mistake in the arguments.
"""

import pathlib
import shlex
import sys

from absl import flags

from bagnet_tf.analysis.experiments import (
    EXPERIMENTS,
    OPTIONS,
    find_experiment,
)
from bagnet_tf.commands import shared_flags
from bagnet_tf.commands.classes import find_classes
from bagnet_tf.commands.entry import run_command
from bagnet_tf.commands.json_answer import for_people, print_json

__doc__ += "\nExperiments:\n" + "\n".join(
    f"    {name:20} {experiment.description}"
    for name, experiment in EXPERIMENTS.items()
)

_FLAGS = flags.FlagValues()
_MODEL = shared_flags.model(_FLAGS)
_DATASET = shared_flags.dataset(_FLAGS)
_SPLIT = shared_flags.split(_FLAGS)
_DATA_DIR = shared_flags.data_dir(_FLAGS)
_SKIP_CORRUPT = shared_flags.skip_corrupt(_FLAGS)
_NUM_IMAGES = flags.DEFINE_integer(
    "num_images",
    None,
    "How many images of the split, the first ones; by default as many as the "
    "experiment needs, or all.",
    lower_bound=1,
    flag_values=_FLAGS,
)
_COMPARE = flags.DEFINE_list(
    "compare",
    [],
    "Other classifiers: presets, .keras files, names of keras.applications, "
    "or NAME@FILE.keras for a file that is fed as that application.",
    flag_values=_FLAGS,
)
_OUTPUT = shared_flags.output_folder(_FLAGS)
_OVERWRITE = shared_flags.overwrite(_FLAGS)
_JSON = shared_flags.json(_FLAGS)
_SEED = flags.DEFINE_integer(
    "seed",
    0,
    "Of everything that is random.",
    lower_bound=0,
    upper_bound=2**32 - 1,
    flag_values=_FLAGS,
)


def _define(name, option) -> None:
    """The flag of an option; `None` unless it is given."""
    users = [key for key, e in EXPERIMENTS.items() if name in e.options]
    text = f"{option.help} By default {_shown(option.default)}. For: "
    text += ", ".join(users)
    define = {int: flags.DEFINE_integer, float: flags.DEFINE_float}.get(
        type(option.default), flags.DEFINE_string
    )
    if isinstance(option.default, tuple):
        define = flags.DEFINE_list
    define(name, None, text, flag_values=_FLAGS)


def _shown(default) -> str:
    if isinstance(default, tuple):
        return ",".join(map(str, default)) or "none"
    return str(default) or "none"


for _name, _option in OPTIONS.items():
    _define(_name, _option)


def main(experiment: str) -> None:
    """Runs an experiment as the flags say."""
    find_experiment(experiment)  # Before the slow imports.
    with for_people(_JSON.value):
        written = _run(experiment)
        _report(written)
    if _JSON.value:
        print_json(written.content)


def _run(experiment):
    """What the experiment has written."""
    options = {
        name: _parsed(name, option)
        for name, option in OPTIONS.items()
        if _FLAGS[name].value is not None
    }
    from bagnet_tf.analysis.networks import input_channels
    from bagnet_tf.analysis.runner import run_experiment
    from bagnet_tf.datasets import image_source

    source = image_source(
        _DATASET.value,
        _DATA_DIR.value,
        _SKIP_CORRUPT.value,
        input_channels(_MODEL.value),
    )
    if "class_ids" in options:
        names = options["class_ids"]
        options["class_ids"] = tuple(find_classes(names, source.labels))
    return run_experiment(
        experiment,
        _MODEL.value,
        source,
        pathlib.Path(_OUTPUT.value),
        split=_SPLIT.value,
        num_images=_NUM_IMAGES.value,
        compare=_COMPARE.value,
        seed=_SEED.value,
        options=options,
        overwrite=_OVERWRITE.value,
        command=_command(experiment),
    )


def _report(written) -> None:
    """Prints single numbers, and where all are."""
    for name, value in written.content["summary"].items():
        if not isinstance(value, dict | list):
            print(f"{name}: {value}")
    for file in written.files.values():
        print(file)


def _parsed(name, option):
    """The value of an option's flag, of its own type."""
    value = _FLAGS[name].value
    if isinstance(option.default, tuple) and any(
        isinstance(number, int) for number in option.default
    ):
        if not all(word.strip().isdecimal() for word in value):
            raise ValueError(
                f"{name} must be whole numbers, separated by commas. "
                f"Received: {name}={','.join(value)}"
            )
        return tuple(int(word) for word in value)
    return tuple(value) if isinstance(option.default, tuple) else value


def _command(experiment) -> str:
    """What to type to get the same again."""
    arguments = shlex.join(
        argument for argument in sys.argv[1:] if argument != experiment
    )
    start = f"python -m bagnet_tf.commands.analyze {experiment}"
    return f"{start} {arguments}".strip()


def run() -> None:
    """Entry point of `bagnet-analyze`."""
    run_command(main, "analyze", _FLAGS, positional=("experiment",))


if __name__ == "__main__":
    run()
