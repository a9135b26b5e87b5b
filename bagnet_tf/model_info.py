"""What must be known of a saved model beside its weights? Its model.json.

`NAME.json` beside `NAME.keras` holds image size, resize rule, input range,
labels in words, head, geometry and metrics. `bagnet_tf.loading` reads it.
"""

import dataclasses
import math
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import keras

from bagnet_tf.decisions import thresholds_of
from bagnet_tf.files import write_json
from bagnet_tf.geometry import geometry_of, has_patches
from bagnet_tf.heads import check_head
from bagnet_tf.photos import RESIZE_RULE


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """What the weights of a model cannot say.

    Attributes:
        image_size: (height, width) of the input in evaluation, pixels.
        labels: Class names in words, by class id.
        metrics: Measured numbers, by name.
        head: What the logits mean, `"softmax"` or `"sigmoid"` (see
            `bagnet_tf.heads`).
    """

    image_size: tuple[int, int]
    labels: tuple[str, ...]
    metrics: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    head: str = "softmax"

    def __post_init__(self) -> None:
        """Refuses an unknown head."""
        check_head(self.head)

    @property
    def has_names(self) -> bool:
        """Whether the labels are more than `class 0`, `class 1`, ..."""
        return self.labels != numbered_labels(len(self.labels))

    @property
    def temperature(self) -> float | None:
        """What logits are divided by for calibrated probabilities, if known.

        Raises:
            ValueError: If the metrics hold something else under that name.
        """
        value = self.metrics.get("temperature")
        if value is None:
            return None
        if not isinstance(value, int | float) or not 0 < value < math.inf:
            raise ValueError(
                "the temperature among a model's metrics must be a positive "
                f"number. Received: {value!r}"
            )
        return value

    @property
    def thresholds(self) -> dict[int, float]:
        """Operating thresholds, by class id, of the classes that have one.

        A class is taken to be there if its probability is at least that high.

        Raises:
            ValueError: If the metrics hold something else as
                `operating_points`.
        """
        return thresholds_of(self.metrics, len(self.labels))

    def save(
        self, model: keras.Model, model_path: str | os.PathLike[str]
    ) -> None:
        """Writes the JSON that belongs to a model file."""
        content = {
            "model": model.name,
            "image_size": list(self.image_size),
            "resize_rule": RESIZE_RULE,
            "input_range": [0, 255],
            "labels": list(self.labels),
            "head": self.head,
            "geometry": dataclasses.asdict(geometry_of(model))
            if has_patches(model)
            else None,
            "metrics": dict(self.metrics),
        }
        write_json(pathlib.Path(model_path).with_suffix(".json"), content)


def numbered_labels(classes: int) -> tuple[str, ...]:
    """What classes without names are called: `class 0`, `class 1`, ..."""
    return tuple(f"class {index}" for index in range(classes))
