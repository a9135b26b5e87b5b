r"""Writes published weights, or those of a file, as a `.weights.h5` of Keras.

Examples:
    python -m bagnet_tf.commands.convert --weights=imagenet \
        --architecture=bagnet33 --output=bagnet33.weights.h5

The file is opened by `bagnet_tf.BagNet33(weights="bagnet33.weights.h5")` and
by Keras's own `model.load_weights`, on a machine without network or PyTorch.
It is written under another name, read back, compared and then renamed. Exit
status: 0, or 2 for a mistake in the arguments.
"""

import pathlib
import tempfile

from absl import flags

from bagnet_tf.architecture import ARCHITECTURES
from bagnet_tf.commands import shared_flags
from bagnet_tf.commands.entry import run_command
from bagnet_tf.commands.json_answer import for_people, print_json
from bagnet_tf.commands.output_file import checked_output

_FLAGS = flags.FlagValues()
_WEIGHTS = flags.DEFINE_string(
    "weights",
    None,
    "imagenet, imagenet-official or a file: .h5 or .h5.zip of tf2cv, .pth or "
    ".pth.tar of PyTorch, .keras of this library.",
    required=True,
    flag_values=_FLAGS,
)
_ARCHITECTURE = flags.DEFINE_enum(
    "architecture",
    None,
    list(ARCHITECTURES),
    "Variant that the weights belong to.",
    required=True,
    flag_values=_FLAGS,
)
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "File to write, NAME.weights.h5.",
    required=True,
    flag_values=_FLAGS,
)
_CLASSES = flags.DEFINE_integer(
    "classes",
    1000,
    "Width of the classifier.",
    lower_bound=1,
    flag_values=_FLAGS,
)
_WIDTH = flags.DEFINE_float(
    "width",
    1.0,
    "What the number of channels is multiplied by.",
    flag_values=_FLAGS,
)
_JSON = shared_flags.json(_FLAGS)
_OVERWRITE = shared_flags.overwrite(_FLAGS)

_ENDING = ".weights.h5"


def main() -> None:
    """Converts the weights as the flags say."""
    output = pathlib.Path(_OUTPUT.value)
    _check_output(output)

    # Slow imports come after the checks that do without them.
    model = _model(_WEIGHTS.value)
    # Under a temporary name, then renamed: nothing half-written.
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        written = pathlib.Path(folder, output.name)
        model.save_weights(written)
        _check_written(model, written)
        written.replace(output)
    with for_people(_JSON.value):
        print(
            f"{_WEIGHTS.value}: {len(model.weights)} weights, "
            f"{model.count_params():,} numbers -> {output}"
        )
    if _JSON.value:
        content = {
            name: _FLAGS[name].value
            for name in ("weights", "architecture", "classes", "width")
        }
        content["num_weights"] = len(model.weights)
        content["num_parameters"] = model.count_params()
        print_json(content | {"output": str(output)})


def _model(weights):
    from bagnet_tf.models import BagNet

    return BagNet(
        ARCHITECTURES[_ARCHITECTURE.value],
        weights,
        classes=_CLASSES.value,
        width=_WIDTH.value,
    )


def _check_output(output):
    if not output.name.endswith(_ENDING) or output.name == _ENDING:
        raise ValueError(
            f"output must be named NAME{_ENDING}. "
            f"Received: output={str(output)!r}"
        )
    if output.resolve() == pathlib.Path(_WEIGHTS.value).resolve():
        raise ValueError(
            "output must be another file than weights. "
            f"Received: output={str(output)!r}"
        )
    checked_output(str(output), _OVERWRITE.value)


def _check_written(model, path):
    """Raises unless Keras reads from the file what is in the model."""
    import numpy as np

    # A fresh one, so that what is equal comes from the file.
    reloaded = _model(None)
    reloaded.load_weights(path)
    for ours, theirs in zip(model.weights, reloaded.weights, strict=True):
        if not np.array_equal(ours.numpy(), theirs.numpy()):
            raise OSError(f"{path.name} was not written as it should: {ours}")


def run() -> None:
    """Entry point of the command."""
    run_command(main, "convert", _FLAGS)


if __name__ == "__main__":
    run()
