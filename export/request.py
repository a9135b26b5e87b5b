"""What is exported, and how?"""

import dataclasses
import functools
from collections.abc import Callable, Iterable

import keras
import numpy as np

from bagnet_tf.geometry import geometry_of
from bagnet_tf.model_info import ModelInfo

from .inference_graph import InferenceGraph
from .robust_masking import RobustMasking

PRECISIONS = ("float32", "bfloat16")
INPUT_TYPES = ("float32", "uint8")

# Batches of real images at a size (height, width), uint8
# (batch, *size, channels).
Images = Callable[[tuple[int, int]], Iterable[np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Request:
    """A model, and how its files are wanted.

    Attributes:
        model: A BagNet with a classifier and `include_preprocessing`.
        info: Its input size, head, labels and metrics.
        calibration: Images on which the ranges of 8-bit activations are
            measured; only formats of 8-bit activations need it.
        precision: Of the convolutions of a SavedModel's signatures, one of
            `PRECISIONS`.
        input_type: Of the input of LiteRT files, one of `INPUT_TYPES`.
        robust_patch_size: (height, width) of the largest patch that robust
            logits withstand, pixels of the model's input; None if files shall
            have no such signature.
        model_name: What clients and servers call the model; None for
            Keras's name.
    """

    model: keras.Model
    info: ModelInfo
    calibration: Images | None = None
    precision: str = "float32"
    input_type: str = "float32"
    robust_patch_size: tuple[int, int] | None = None
    model_name: str | None = None

    def __post_init__(self):
        """Checks the choices."""
        for name, accepted in (
            ("precision", PRECISIONS),
            ("input_type", INPUT_TYPES),
        ):
            if (value := getattr(self, name)) not in accepted:
                raise ValueError(
                    f"{name} must be one of {', '.join(accepted)}. "
                    f"Received: {name}={value!r}"
                )
        if self.robust_patch_size is not None:
            self._check_robust()

    @functools.cached_property
    def graph(self) -> InferenceGraph:
        """The folded model in float32, the start of every file."""
        return InferenceGraph(self.model, self.info.head)

    @property
    def robust(self) -> RobustMasking | None:
        """What robust logits are in the files; None if there are none."""
        if self.robust_patch_size is None:
            return None
        return RobustMasking(self.robust_patch_size, geometry_of(self.model))

    def at_size(self, image_size: tuple[int, int]) -> "Request":
        """The same for images of another size (height, width), pixels."""
        if image_size == self.info.image_size:
            return self  # With its graph, if that was made.
        info = dataclasses.replace(self.info, image_size=image_size)
        return dataclasses.replace(self, info=info)

    def _check_robust(self) -> None:
        sides = zip(self.robust_patch_size, self.info.image_size, strict=True)
        if any(not 1 <= patch <= image for patch, image in sides):
            raise ValueError(
                "robust_patch_size must fit into the image, {}x{} pixels. "
                "Received: robust_patch_size={}x{}".format(
                    *self.info.image_size, *self.robust_patch_size
                )
            )
        if self.info.head == "sigmoid":
            raise ValueError(
                "robust_patch_size must be left out for a sigmoid head, which "
                "decides for each class by itself: the defence picks one "
                f"class. Received: model={self.model.name!r}"
            )
