"""What does `weights=` of a model mean? A name, or a file; it has to fit."""

import os
import pathlib

import keras

from bagnet_tf.architecture import ARCHITECTURES, CLASSIFIER_LAYER, Architecture
from bagnet_tf.downloads import fetch
from bagnet_tf.presets import PRESETS, Preset
from bagnet_tf.weight_files import KINDS, check_torch, read_weights
from bagnet_tf.weights import assign, differences

NAMES = ("imagenet", "imagenet-official", "imagenette")


def load_weights(
    model: keras.Model,
    weights: str | os.PathLike[str],
    architecture: Architecture,
    width: float,
) -> None:
    """Replaces all weights of a new model, or none on an error.

    Args:
        model: The model.
        weights: One of `NAMES` or the path of a file.
        architecture: Of the model.
        width: Of the model.

    Raises:
        ValueError: If the file is missing or damaged, or does not fit.
        OSError: If named weights cannot be downloaded.
    """
    weights = os.fspath(weights)
    arguments = {
        "weights": weights,
        "architecture": architecture.name,
        "classes": _classes(model),
        "width": width,
        "include_top": _classes(model) is not None,
    }
    if weights in NAMES:
        preset = _preset(weights, architecture, arguments)
        _check_named(preset, model, arguments)
        if preset.needs_torch:
            check_torch(weights)
        path = fetch(preset)
    else:
        path = pathlib.Path(weights)
        if not path.is_file():
            raise ValueError(
                f"weights must be None, {', '.join(NAMES)} or an existing "
                f"file: {KINDS}. Received: weights={weights!r}"
            )
    entries, layout = read_weights(path)
    problems = differences(model, entries, layout)
    if problems:
        raise ValueError(
            f"weights must be those of {model.name!r} as the other arguments "
            f"say, but {path.name} has entries {problems}. "
            f"Received: {_listed(arguments)}"
        )
    assign(model, entries, layout)


def _classes(model) -> int | None:
    """Width of the classifier; `None` without one."""
    for layer in model.layers:
        if layer.name == CLASSIFIER_LAYER:
            return layer.units
    return None


def _preset(weights, architecture, arguments) -> Preset:
    # Shipped weights are of one architecture; published ones have the name of
    # theirs before their own.
    shipped = weights in PRESETS
    fitting = (
        [PRESETS[weights].architecture]
        if shipped
        else [a for a in ARCHITECTURES if f"{a}-{weights}" in PRESETS]
    )
    if (
        architecture.name not in fitting
        or ARCHITECTURES[architecture.name] != architecture
    ):
        raise ValueError(
            f"weights={weights!r} need one of the architectures {fitting}. "
            f"Received: {_listed(arguments)}"
        )
    return PRESETS[weights if shipped else f"{architecture.name}-{weights}"]


def _check_named(preset, model, arguments):
    if arguments["width"] != preset.width:
        rule = f"width={preset.width}"
    elif arguments["classes"] not in (None, preset.classes):
        rule = f"classes={preset.classes}, or include_top=False"
    elif model.input_shape[-1] != len(preset.mean):
        rule = f"{len(preset.mean)} channels"
        arguments = arguments | {"input_shape": model.input_shape[1:]}
    else:
        return
    raise ValueError(
        f"weights={arguments['weights']!r} need {rule}. "
        f"Received: {_listed(arguments)}"
    )


def _listed(arguments) -> str:
    return ", ".join(
        f"{name}={value!r}"
        for name, value in arguments.items()
        if value is not None
    )
