"""Which pixels made a network's decision, layer by layer? Epsilon-LRP.

Only for networks whose layers are all linear or ReLU, such as ours.
"""

import functools

import keras
import numpy as np
import tensorflow as tf

from bagnet_tf.analysis.compiled import Compiled
from bagnet_tf.architecture import NORMALIZATION_LAYER

_LINEAR = (
    keras.layers.InputLayer,
    keras.layers.Normalization,
    keras.layers.Conv2D,
    keras.layers.BatchNormalization,
    keras.layers.Add,
    keras.layers.Cropping2D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.Dense,
)


class LayerRelevance:
    """Epsilon-LRP of a network; makes its copy once."""

    def __init__(self, network: keras.Model, epsilon: float = 0.01):
        """Copies the network.

        Args:
            network: One input, one output of logits (batch, classes).
            epsilon: What stabilises the division by a neuron's input, in that
                input's own units.

        Raises:
            ValueError: If a layer is neither linear nor a ReLU, or `epsilon`
                is not positive.
        """
        if not epsilon > 0:
            raise ValueError(
                f"epsilon must be positive. Received: epsilon={epsilon}"
            )
        wrong = [layer for layer in network.layers if not _is_known(layer)]
        if wrong:
            raise ValueError(
                "lrp is for networks of linear layers and ReLU, such as "
                f"BagNets. Received: model={network.name!r} with "
                f"{type(wrong[0]).__name__} ({wrong[0].name!r})"
            )
        self._network = keras.models.clone_model(
            network, clone_function=lambda layer: _stabilised(layer, epsilon)
        )
        self._network.set_weights(network.get_weights())
        names = [layer.name for layer in network.layers]
        self._offset = 0.0
        if NORMALIZATION_LAYER in names:
            mean = network.get_layer(NORMALIZATION_LAYER).mean
            self._offset = keras.ops.convert_to_numpy(mean)

    def __call__(self, images: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Relevance of every pixel for a weighted sum of logits.

        A neuron's relevance goes to its inputs in proportion to what each adds
        to it, w a / (z + epsilon sign z) with z the neuron's input before the
        ReLU. Batch normalisation belongs to the convolution before it, and the
        input of the first layer is the normalised image: a pixel of the mean
        colour has no relevance. Biases keep their share.

        Args:
            images: (batch, height, width, channels), as the network takes
                them.
            weights: What is explained: the sum of logits times these,
                (batch, classes).

        Returns:
            float32 (batch, height, width), summed over channels.

        Source: Bach et al., PLoS ONE 2015, equation 58. Ancona et al., ICLR
        2018, show that it is the input times a gradient in which the
        derivative of each ReLU is its output over its (stabilised) input; so
        it is computed here.
        """
        relevance = self._relevance(
            tf.cast(images, tf.float32), tf.cast(weights, tf.float32)
        )
        return relevance.numpy()

    @functools.cached_property
    def _relevance(self) -> Compiled:
        # Compiled, so that no derivatives by the kernels are computed: see
        # `bagnet_tf.analysis.attribution_maps`.
        def relevance(images, weights):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(images)
                logits = self._network(images, training=False)
                score = tf.reduce_sum(logits * weights)
            gradient = tape.gradient(score, images)
            return tf.reduce_sum(gradient * (images - self._offset), axis=-1)

        return Compiled(relevance)


class _EpsilonReLU(keras.layers.Layer):
    """A ReLU whose derivative is its output over its stabilised input."""

    def __init__(self, epsilon, **kwargs):
        super().__init__(**kwargs)
        self._epsilon = epsilon

    def call(self, inputs):
        """Applies it."""

        @tf.custom_gradient
        def relu(z):
            outputs = tf.nn.relu(z)
            # Where z is not positive the output is 0, and so is the share.
            share = outputs / (tf.abs(z) + self._epsilon)
            return outputs, lambda upstream: upstream * share

        return relu(inputs)


def _is_known(layer) -> bool:
    if isinstance(layer, keras.layers.ReLU):
        plain = not layer.negative_slope and not layer.threshold
        return plain and layer.max_value is None
    activation = getattr(layer, "activation", keras.activations.linear)
    return type(layer) in _LINEAR and activation is keras.activations.linear


def _stabilised(layer, epsilon):
    if isinstance(layer, keras.layers.ReLU):
        return _EpsilonReLU(epsilon, name=layer.name)
    return type(layer).from_config(layer.get_config())
