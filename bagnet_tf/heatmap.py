"""What does every patch say, not only every eighth? Dense heatmaps, exactly.

The published way cuts an image into all its patches and runs each of them:
50,176 for 224 x 224 pixels, which overlap almost everywhere. Here no position
of any layer is computed twice (`bagnet_tf.phases`).
"""

import dataclasses
import hashlib
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from bagnet_tf.architecture import (
    CLASSIFIER_LAYER,
    NORMALIZATION_LAYER,
)
from bagnet_tf.evidence import check_class_ids, check_images
from bagnet_tf.geometry import Box, geometry_of
from bagnet_tf.inference import inference_model
from bagnet_tf.phases import PhaseNetwork

_GIBIBYTE = 2**30


def dense_heatmap(
    model: keras.Model,
    images: np.ndarray,
    class_ids: Sequence[int] | np.ndarray,
    stride: int = 1,
    padding: str = "same",
    centred: bool = False,
    dtype: str = "float32",
    max_memory: int = _GIBIBYTE,
) -> np.ndarray:
    """Class evidence of the patches at every `stride`-th pixel.

    With `"same"` padding, element (i, j) of a map is the evidence of the
    patch whose centre is pixel (i * stride, j * stride): (q - 1) / 2 pixels
    of 0 in normalised space surround the image, as in the reference, q being
    the receptive field. The mean of such a map is *not* the logit, for two
    reasons: patches at the rim see padding, which the model never does, and
    the model averages whole patches at stride 8 only, beginning at the top
    left corner.

    With `"valid"` padding, element (i, j) is the evidence of the whole patch
    whose top left corner is pixel (i * stride, j * stride). At stride 1, its
    elements (8i, 8j) are the patch logits, and their mean is the logit.

    Many calls with one model: make a `HeatmapNetwork` once.

    Args:
        model: A BagNet with a classifier, also one that came from
            `keras.models.load_model`.
        images: (batch, height, width, channels), in the model's input range.
        class_ids: The classes wanted; only they go through the classifier.
        stride: 1, or another power of 2 up to the model's own stride, pixels.
        padding: `"same"` or `"valid"`.
        centred: Whether to subtract the mean over all classes (see
            `bagnet_tf.evidence`).
        dtype: Precision of the convolutions, `"float32"` or `"bfloat16"`.
        max_memory: See `HeatmapNetwork`.

    Returns:
        float32, logits; for `"same"` (batch, ceil(height / stride),
        ceil(width / stride), len(class_ids)), for `"valid"`
        (batch, (height - q) // stride + 1, (width - q) // stride + 1,
        len(class_ids)).

    Raises:
        ValueError: If an argument is not as above.

    Example:
        >>> maps = bagnet_tf.dense_heatmap(model, images, class_ids=[3])
        >>> maps.shape
        (1, 224, 224, 1)

    Source: Brendel & Bethge 2019, section 3 and `generate_heatmap_pytorch` of
    its code, whose values these are.
    """
    network = HeatmapNetwork(model, stride, dtype, max_memory)
    return network(images, class_ids, padding, centred)


class HeatmapNetwork:
    """A BagNet made ready to be evaluated at every `stride`-th pixel.

    Attributes:
        geometry: Receptive field and stride of the model.
        stride: Distance between neighbouring elements of a map, pixels.
        classes: Number of classes of the model.
        digest: SHA-256 of all that decides the values of a map.
    """

    def __init__(
        self,
        model: keras.Model,
        stride: int = 1,
        dtype: str = "float32",
        max_memory: int = _GIBIBYTE,
    ):
        """Folds the model (see `inference_model`) and cuts it at its strides.

        Args:
            model: A BagNet with a classifier. Later changes of its weights
                have no effect.
            stride: 1, or another power of 2 up to the model's own stride.
            dtype: `"float32"` or `"bfloat16"`.
            max_memory: About how much the activations of the deepest layers
                may take at a time, bytes. Phases are worked through in slices
                of that size, at least one at a time.

        Raises:
            ValueError: If an argument is not as above.
        """
        self.geometry = geometry_of(model)
        self.stride = stride
        self._model = model
        self._padding_value = _padding_value(model)
        inference = inference_model(model, dtype)
        classifier = inference.get_layer(CLASSIFIER_LAYER)
        self._classifier = classifier.kernel.numpy(), classifier.bias.numpy()
        self.classes: int = classifier.units
        self._features = PhaseNetwork(inference, stride, max_memory)
        self.digest = _digest(inference, stride)

    def __call__(
        self,
        images: np.ndarray,
        class_ids: Sequence[int] | np.ndarray,
        padding: str = "same",
        centred: bool = False,
    ) -> np.ndarray:
        """Maps of some classes. Arguments and result: see `dense_heatmap`."""
        images = np.asarray(images)
        check_images(images, self._model)
        every = Box(0, 0, *self.map_shape(*images.shape[1:3], padding))
        return self.evaluate_part(
            images, (0, 0), every, class_ids, padding, centred
        )

    def map_shape(
        self, height: int, width: int, padding: str
    ) -> tuple[int, int]:
        """(rows, cols) of the map of an image.

        Raises:
            ValueError: If `padding` is unknown or, with `"valid"`, the image
                is smaller than one patch.
        """
        if padding == "same":
            return -(-height // self.stride), -(-width // self.stride)
        if padding != "valid":
            raise ValueError(
                "padding must be 'same' or 'valid'. "
                f"Received: padding={padding!r}"
            )
        geometry = dataclasses.replace(self.geometry, stride=self.stride)
        return geometry.grid_shape(height, width)

    def pixels_of(self, part: Box, padding: str) -> Box:
        """The pixels that a part of a map is computed from.

        Args:
            part: Rows and columns of the map.
            padding: `"same"` or `"valid"`.

        Returns:
            A box that may reach out of the image.
        """
        rim = (self.geometry.receptive_field - 1) // 2
        before = rim if padding == "same" else 0
        rows, cols = self._rounded(part)
        top = part.top * self.stride - before
        left = part.left * self.stride - before
        beyond = self.geometry.receptive_field - self.stride
        return Box(
            top,
            left,
            top + rows * self.stride + beyond,
            left + cols * self.stride + beyond,
        )

    def evaluate_part(
        self,
        pixels: np.ndarray,
        origin: tuple[int, int],
        part: Box,
        class_ids: Sequence[int] | np.ndarray,
        padding: str = "same",
        centred: bool = False,
    ) -> np.ndarray:
        """A part of the maps, from a part of the images.

        Args:
            pixels: (batch, height, width, channels), in the model's input
                range; taken for padding is what lies outside.
            origin: Pixel (y, x) of the images where `pixels` begin.
            part: The rows and columns of the maps that are wanted.
            class_ids: See `dense_heatmap`, as what follows.
            padding: `"same"` or `"valid"`.
            centred: Whether to subtract the mean over all classes.

        Returns:
            float32 (batch, rows of `part`, columns of `part`, k), logits.

        Raises:
            ValueError: If a class id is out of range.
        """
        check_class_ids(class_ids, self.classes)
        kernel, bias = self._classes(class_ids, centred)
        maps = self._features(
            self._surrounded(pixels, origin, self.pixels_of(part, padding)),
            lambda features: _class_evidence(features, kernel, bias),
        )
        rows, cols = part.bottom - part.top, part.right - part.left
        return maps[:, :rows, :cols].numpy()

    def _rounded(self, part: Box) -> list[int]:
        """Rows and columns, such that every split into phases is even."""
        phases = self._features.num_phases
        sides = part.bottom - part.top, part.right - part.left
        return [-(-side // phases) * phases for side in sides]

    def _surrounded(self, pixels, origin, box) -> tf.Tensor:
        """The pixels of `box`, with padding where there are none."""
        inner = pixels[
            :,
            max(box.top - origin[0], 0) : box.bottom - origin[0],
            max(box.left - origin[1], 0) : box.right - origin[1],
        ]
        top, left = max(origin[0] - box.top, 0), max(origin[1] - box.left, 0)
        height, width = inner.shape[1:3]
        shape = box.bottom - box.top, box.right - box.left
        padded = np.empty((len(inner), *shape, inner.shape[-1]), np.float32)
        padded[:] = self._padding_value
        padded[:, top : top + height, left : left + width] = inner
        return tf.constant(padded)

    def _classes(self, class_ids, centred):
        """Kernel (channels, k) and bias (k,) of the wanted classes."""
        kernel, bias = (w.astype(np.float64) for w in self._classifier)
        if centred:
            kernel = kernel - kernel.mean(axis=-1, keepdims=True)
            bias = bias - bias.mean()
        chosen = np.asarray(class_ids)
        return (
            tf.constant(kernel[:, chosen], tf.float32),
            tf.constant(bias[chosen], tf.float32),
        )


@tf.function(autograph=False, reduce_retracing=True)
def _class_evidence(features, kernel, bias):
    """(batch, rows, cols, k), float32."""
    return tf.tensordot(tf.cast(features, kernel.dtype), kernel, 1) + bias


def _padding_value(model: keras.Model) -> np.ndarray | float:
    """What becomes 0 in normalised space, in the input's."""
    names = [layer.name for layer in model.layers]
    if NORMALIZATION_LAYER not in names:
        return 0.0
    mean = model.get_layer(NORMALIZATION_LAYER).mean
    return np.ravel(keras.ops.convert_to_numpy(mean))


def _digest(inference: keras.Model, stride: int) -> str:
    digest = hashlib.sha256(f"{stride} {inference.to_json()}".encode())
    for value in inference.get_weights():
        digest.update(value.tobytes())
    return digest.hexdigest()
