"""Which network stands for an 8-bit file when it is converted?

Where LiteRT shall round an activation, TensorFlow's fake quantisation says in
which range. The converter takes these ranges as they are, so that it needs no
calibration of its own, which would know the farthest value only, and both
signatures of a file have the same. What has no range stays float: pooling and
classifier, so that the logits remain the mean of the patch logits.
"""

from collections.abc import Callable, Iterable, Mapping

import keras
import numpy as np
import tensorflow as tf

from bagnet_tf.architecture import STEM_LAYERS

from .calibration import (
    CLIPPED,
    Range,
    activation_ranges,
    largest_activations,
)
from .equalization import equalize

# One step a grey level: pixels are not rounded.
_PIXELS = Range(0.0, 255.0)


def quantized_network(
    network: keras.Model,
    calibration: Callable[[], Iterable[np.ndarray]],
    clipped: float = CLIPPED,
) -> keras.Model:
    """Makes the network that a converter turns into an 8-bit file.

    Args:
        network: What `bagnet_tf.inference_model` gave, float32.
        calibration: Gives images, uint8 (batch, height, width, channels),
            the same each time.
        clipped: Of the activations of a layer, so many in % may lie above
            their range, and as many below.

    Returns:
        A network of the same inputs and outputs whose activations are rounded;
        its weights are not yet.
    """
    largest = largest_activations(network, calibration())
    network, largest = equalize(network, largest)
    ranges = activation_ranges(network, calibration(), largest, clipped)
    return rounding_network(network, ranges)


def rounding_network(
    network: keras.Model, ranges: Mapping[str, Range]
) -> keras.Model:
    """Makes the network that rounds where it is told to.

    Args:
        network: What `bagnet_tf.inference_model` or `equalize` gave.
        ranges: By name of a layer, in which range its output is rounded; that
            of others is not, and they stay float in a file.

    Returns:
        A network of the same inputs and outputs, with weights of its own.
    """

    def call(layer, inputs, **kwargs):
        if layer.name == STEM_LAYERS[1]:
            inputs = _Rounding(_PIXELS)(inputs)
        outputs = layer(inputs, **kwargs)
        found = ranges.get(layer.name)
        return outputs if found is None else _Rounding(found)(outputs)

    rounding = keras.models.clone_model(network, call_function=call)
    for layer in network.layers:
        rounding.get_layer(layer.name).set_weights(layer.get_weights())
    return rounding


class _Rounding(keras.layers.Layer):
    """Rounds to the 256 values of a range, and says so to the converter."""

    def __init__(self, limits: Range):
        super().__init__()
        self._limits = limits

    def call(self, inputs):
        return tf.quantization.fake_quant_with_min_max_args(
            inputs, self._limits.low, self._limits.high
        )

    def compute_output_shape(self, input_shape):
        return input_shape
