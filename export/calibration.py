"""How far do activations reach, where LiteRT rounds them to 8 bits?

A range that holds the farthest value of all wastes most of the 256 steps: in
a BagNet few patches (flat or burnt-out ones) reach ten times farther than all
others, because no patch is averaged with its neighbours. So ranges are cut at
a percentile.
"""

import dataclasses
from collections.abc import Iterable, Mapping

import keras
import numpy as np
import tensorflow as tf

# Of all values of a layer, this share in % may lie above its range, and as
# much below.
CLIPPED = 0.02

# Enough for that percentile, with hundreds of images and dozens of channels.
_POSITIONS = 256
_BINS = 1 << 14


@dataclasses.dataclass(frozen=True)
class Range:
    """From where to where the values of a layer are told apart.

    Attributes:
        low: At most 0.
        high: At least 0.
    """

    low: float
    high: float


def rounded_layers(network: keras.Model) -> tuple[str, ...]:
    """Names of the layers whose outputs an 8-bit file rounds.

    Args:
        network: What `bagnet_tf.inference_model` gave.

    Returns:
        All activations, and the convolutions that none follows: LiteRT rounds
        once where an activation can be merged into what precedes it.
    """
    activated = {
        id(layer.input)
        for layer in network.layers
        if isinstance(layer, keras.layers.ReLU)
    }
    return tuple(
        layer.name
        for layer in network.layers
        if isinstance(layer, keras.layers.ReLU)
        or (
            isinstance(layer, keras.layers.Conv2D)
            and id(layer.output) not in activated
        )
    )


def largest_activations(
    network: keras.Model, batches: Iterable[np.ndarray]
) -> dict[str, np.ndarray]:
    """How far each channel reaches from 0.

    Args:
        network: What `bagnet_tf.inference_model` gave.
        batches: Images, uint8 (batch, height, width, channels).

    Returns:
        By name of each of `rounded_layers`, float32 (channels,).

    Raises:
        ValueError: If there are no images.
    """
    outputs = _outputs(network)

    @tf.function
    def largest(images):
        return {
            name: tf.reduce_max(tf.abs(values), axis=(0, 1, 2))
            for name, values in outputs(images).items()
        }

    found = {}
    for images in batches:
        for name, values in largest(tf.constant(images, tf.float32)).items():
            found[name] = np.maximum(found.get(name, 0), values.numpy())
    if not found:
        raise ValueError(
            "calibration must have at least one image. Received: none"
        )
    return found


def activation_ranges(
    network: keras.Model,
    batches: Iterable[np.ndarray],
    largest: Mapping[str, np.ndarray],
    clipped: float = CLIPPED,
) -> dict[str, Range]:
    """From where to where the activations of each layer are told apart.

    Args:
        network: What `bagnet_tf.inference_model` gave.
        batches: Images, uint8 (batch, height, width, channels).
        largest: What `largest_activations` of this network and these images
            gave.
        clipped: Of the values of a layer, so many in % may lie above the
            range, and as many below. At 0, all lie in it.

    Returns:
        By name of each of `rounded_layers`. A layer that is always 0 has the
        range 0 to 1.
    """
    outputs = _outputs(network)
    reach = {name: float(values.max()) for name, values in largest.items()}

    @tf.function
    def histograms(images):
        return {
            name: tf.histogram_fixed_width(
                _sample(values), (-reach[name], reach[name]), _BINS
            )
            for name, values in outputs(images).items()
            if reach[name]
        }

    counts = {name: np.zeros(_BINS, np.int64) for name in reach}
    for images in batches:
        for name, found in histograms(tf.constant(images, tf.float32)).items():
            counts[name] += found.numpy()
    return {name: _range(counts[name], reach[name], clipped) for name in reach}


def _outputs(network):
    return keras.Model(
        network.input,
        {
            name: network.get_layer(name).output
            for name in rounded_layers(network)
        },
    )


def _sample(values: tf.Tensor) -> tf.Tensor:
    """All channels of evenly spread positions of a batch, flat."""
    shape = tf.shape(values)
    positions = tf.reshape(values, (-1, shape[-1]))
    step = tf.maximum(1, shape[1] * shape[2] // _POSITIONS)
    return tf.reshape(positions[::step], (-1,))


def _range(counts: np.ndarray, reach: float, clipped: float) -> Range:
    if not reach:
        return Range(0.0, 1.0)
    edges = np.linspace(-reach, reach, _BINS + 1)
    below = np.cumsum(counts) / counts.sum()
    share = clipped / 100
    low = edges[np.searchsorted(below, share, side="right")]
    high = edges[np.searchsorted(below, 1 - share, side="left") + 1]
    # 0 must have a value of its own: it is where ReLU starts.
    return Range(min(float(low), 0.0), max(float(high), 0.0))
