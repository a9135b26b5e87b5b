"""Which model does a path or a name mean, and what belongs to it?"""

import difflib
import json
import os
import pathlib
from collections.abc import Sequence

import keras

from bagnet_tf.architecture import ARCHITECTURES
from bagnet_tf.evidence import patch_logits_model
from bagnet_tf.geometry import geometry_of, has_patches
from bagnet_tf.heads import default_head
from bagnet_tf.keras_files import open_keras_file
from bagnet_tf.model_info import ModelInfo, numbered_labels
from bagnet_tf.models import BagNet
from bagnet_tf.presets import PRESETS, preset_info

DEFAULT_SIZE = 224  # Where nothing says more, pixels.


def load_preset(name: str) -> keras.Model:
    """Makes the complete model of shipped or published weights.

    Args:
        name: Of the preset: `"imagenette"`, which ships with the package, or
            published weights such as `"bagnet33-imagenet"`; see
            `bagnet_tf.preset_info`.

    Returns:
        The model: input RGB 0-255, output logits of the preset's classes.

    Raises:
        ValueError: If there is no preset of this name, or its file is not
            the shipped or published one, or torch is missing for one that
            needs it.
        OSError: If published weights cannot be downloaded.

    Example:
        >>> model = bagnet_tf.load_preset("imagenette")
    """
    preset = preset_info(name)
    return BagNet(
        ARCHITECTURES[preset.architecture],
        preset.weights,
        classes=preset.classes,
        width=preset.width,
    )


def load_model(
    model: str | os.PathLike[str],
    image_size: int | None = None,
    labels: Sequence[str] | None = None,
) -> tuple[keras.Model, ModelInfo]:
    """Opens a model of ours and what belongs to it.

    Args:
        model: A `.keras` file, or the name of a preset.
        image_size: Side of the input, pixels; overrides the model's own.
        labels: Class names; override the model's own.

    Returns:
        The model, not compiled, and its `ModelInfo`. Of a file without a
        JSON file: the model's fixed input size or 224, and `class 0`,
        `class 1`, ...

    Raises:
        ValueError: If the file is missing, damaged or no BagNet classifier,
            if image size or labels do not fit it, or see `load_preset`.
        OSError: If a preset's weights cannot be downloaded.
    """
    name = os.fspath(model)
    if name in PRESETS:
        preset = preset_info(name)
        stored = {
            "image_size": preset.input_size,
            "labels": preset.labels,
            "metrics": preset.metrics,
        }
        network = load_preset(name)
    else:
        network, stored = _open(name)
    return network, _info(network, stored, image_size, labels)


def model_title(name: str) -> str:
    """What people call a model: a word or two, not a path.

    Args:
        name: As `load_model` takes it.

    Returns:
        That of a preset; or a file's name without its ending, or its folder's
        where it is `model.keras`, as those of all runs are.

    Example:
        >>> model_title("runs/flowers/model.keras")
        'flowers'
    """
    if name in PRESETS:
        return name
    path = pathlib.Path(os.path.abspath(name))
    # The root folder has no name.
    of_folder = path.stem == "model" and path.parent.name
    return of_folder or path.stem


def read_labels(path: str | os.PathLike[str]) -> list[str]:
    """Reads class names, one a line, by class id.

    Raises:
        ValueError: If the file is missing or not UTF-8 text.
    """
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"labels must be a text file, one name a line ({error}). "
            f"Received: labels={str(path)!r}"
        ) from error
    return [line.strip() for line in text.strip().splitlines()]


def read_model_json(path: pathlib.Path) -> dict:
    """Reads what is stored beside a model.

    Args:
        path: Its JSON file; it may be written by hand, and lack anything.

    Raises:
        ValueError: If it is no whole JSON object, or what it says of image
            size, labels, head or metrics has another form than ours.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        _check_stored(stored)
        return stored
    # Values nested too deeply are a RecursionError.
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path.name} must be a JSON object that describes its model "
            f"({error}). Received: {str(path)!r}"
        ) from error


def _check_stored(stored):
    if not isinstance(stored, dict):
        raise ValueError("it is no object")
    size = stored.get("image_size", [1, 1])
    if (
        not isinstance(size, list)
        or len(size) != 2
        or not all(type(side) is int and side > 0 for side in size)
    ):
        raise ValueError("image_size is no height and width in pixels")
    labels = stored.get("labels") or []
    if not isinstance(labels, list) or not all(
        isinstance(label, str) for label in labels
    ):
        raise ValueError("labels are no list of names")
    if not isinstance(stored.get("metrics", {}), dict):
        raise ValueError("metrics are no object")


def _open(name: str) -> tuple[keras.Model, dict]:
    """The model in a file, and what is stored beside it."""
    path = pathlib.Path(name)
    if path.suffix != ".keras" or not path.is_file():
        close = difflib.get_close_matches(name, PRESETS)
        raise ValueError(
            "model must be an existing .keras file or a preset, one of "
            f"{', '.join(close or PRESETS)}. Received: model={name!r}"
        )
    model = open_keras_file(path)
    try:
        patch_logits_model(model)
    except ValueError as error:  # It knows the model's name, not the file's.
        raise ValueError(f"{error}, file={name!r}") from error
    json_path = path.with_suffix(".json")
    return model, read_model_json(json_path) if json_path.is_file() else {}


def _info(model, stored, image_size, labels) -> ModelInfo:
    # A control network is content with any image.
    least = geometry_of(model).receptive_field if has_patches(model) else 1
    fixed = tuple(model.input_shape[1:3])
    if image_size is not None:
        size = (image_size, image_size)
    elif "image_size" in stored:
        size = tuple(stored["image_size"])
    else:
        size = tuple(side or DEFAULT_SIZE for side in fixed)
    wrong = [s for s, f in zip(size, fixed, strict=True) if f not in (None, s)]
    if wrong or min(size) < least:
        raise ValueError(
            f"image_size must be at least {least} (the receptive "
            f"field) and fit the model's input {fixed}. "
            f"Received: image_size={size}"
        )
    classes = model.output_shape[-1]
    if labels is None:
        labels = stored.get("labels") or numbered_labels(classes)
    if len(labels) != classes:
        raise ValueError(
            f"labels must be {classes} names, one a class. "
            f"Received: {len(labels)} labels"
        )
    head = stored.get("head", default_head(classes))
    return ModelInfo(size, tuple(labels), stored.get("metrics", {}), head)
