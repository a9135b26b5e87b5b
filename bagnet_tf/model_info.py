"""What must be known of a saved model beside its weights? Its model.json.

`NAME.json` beside `NAME.keras` holds image size, resize rule, input range,
labels in words, geometry and metrics. Commands read it here.
"""

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping, Sequence

import keras

from bagnet_tf.evidence import patch_logits_model
from bagnet_tf.files import write_json
from bagnet_tf.geometry import geometry_of
from bagnet_tf.preprocessing import RESIZE_RULE

_DEFAULT_SIZE = 224


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """What the weights of a model cannot say.

    Attributes:
        image_size: (height, width) of the input in evaluation, pixels.
        labels: Class names in words, by class id.
        metrics: Measured numbers, by name.
    """

    image_size: tuple[int, int]
    labels: tuple[str, ...]
    metrics: Mapping[str, object] = dataclasses.field(default_factory=dict)

    @property
    def has_names(self) -> bool:
        """Whether the labels are more than `class 0`, `class 1`, ..."""
        return self.labels != _numbered(len(self.labels))

    def save(self, model: keras.Model, model_path: str | os.PathLike) -> None:
        """Writes the JSON that belongs to a model file."""
        content = {
            "model": model.name,
            "image_size": list(self.image_size),
            "resize_rule": RESIZE_RULE,
            "input_range": [0, 255],
            "labels": list(self.labels),
            "geometry": dataclasses.asdict(geometry_of(model)),
            "metrics": dict(self.metrics),
        }
        write_json(pathlib.Path(model_path).with_suffix(".json"), content)


def load_model(
    model_path: str | os.PathLike,
    image_size: int | None = None,
    labels: Sequence[str] | None = None,
) -> tuple[keras.Model, ModelInfo]:
    """Opens a model of ours and what belongs to it.

    Args:
        model_path: A `.keras` file.
        image_size: Side of the input, pixels; overrides the model's own.
        labels: Class names; override the model's own.

    Returns:
        The model, not compiled, and its `ModelInfo`. Without a JSON file:
        the model's fixed input size or 224, and `class 0`, `class 1`, ...

    Raises:
        ValueError: If the file is missing, damaged or no BagNet classifier,
            or if image size or labels do not fit it.
    """
    path = pathlib.Path(model_path)
    if path.suffix != ".keras" or not path.is_file():
        raise ValueError(
            "model must be an existing .keras file. "
            f"Received: model={str(model_path)!r}"
        )
    try:
        model = keras.models.load_model(path, compile=False)
    except Exception as error:  # Keras raises many kinds for a damaged file.
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(
            f"model must be a whole .keras file ({reason[0]}). "
            f"Received: model={str(model_path)!r}"
        ) from error
    patch_logits_model(model)  # Raises if there is no classifier.
    return model, _info(model, path.with_suffix(".json"), image_size, labels)


def read_labels(path: str | os.PathLike) -> list[str]:
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


def _info(model, json_path, image_size, labels) -> ModelInfo:
    stored = _read(json_path) if json_path.is_file() else {}
    receptive_field = geometry_of(model).receptive_field
    fixed = tuple(model.input_shape[1:3])
    if image_size is not None:
        size = (image_size, image_size)
    elif "image_size" in stored:
        size = tuple(stored["image_size"])
    else:
        size = tuple(side or _DEFAULT_SIZE for side in fixed)
    wrong = [s for s, f in zip(size, fixed, strict=True) if f not in (None, s)]
    if wrong or min(size) < receptive_field:
        raise ValueError(
            f"image_size must be at least {receptive_field} (the receptive "
            f"field) and fit the model's input {fixed}. "
            f"Received: image_size={size}"
        )
    classes = model.output_shape[-1]
    if labels is None:
        labels = stored.get("labels") or _numbered(classes)
    if len(labels) != classes:
        raise ValueError(
            f"labels must be {classes} names, one a class. "
            f"Received: {len(labels)} labels"
        )
    return ModelInfo(size, tuple(labels), stored.get("metrics", {}))


def _numbered(classes: int) -> tuple[str, ...]:
    return tuple(f"class {index}" for index in range(classes))


def _read(json_path: pathlib.Path) -> dict:
    try:
        stored = json.loads(json_path.read_text())
        if not isinstance(stored, dict):
            raise ValueError("not an object")
        return stored
    except ValueError as error:
        raise ValueError(
            f"model.json must be a JSON object ({error}). "
            f"Received: {str(json_path)!r}"
        ) from error
