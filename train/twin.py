"""Which network is trained? A quicker twin of the one that is saved.

The twin has the same variables in the same order as the plain model and
computes the same function; only the way differs:

- Batch normalisation as one fused operation: Keras's own takes four times as
  long on a CPU.
- The stem's two linear convolutions as one 3x3 convolution, whose kernel is
  composed of both in every step; gradients flow to both factors.
- A 1x1 convolution with a stride as picking pixels, then convolving: oneDNN's
  gradient of the former crashes at 8 input channels (TensorFlow 2.21).
- Picking and cropping by operations whose gradients are quick: that of a
  Python slice takes 3 to 15 times as long.

It never reaches a file: what is saved is the plain model, after `copy_back`.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from bagnet_tf.architecture import CLASSIFIER_LAYER, POOLING_LAYER


class _FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's layer, with training-mode statistics from one fused op."""

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            tf.cast(self.gamma, tf.float32),
            tf.cast(self.beta, tf.float32),
            epsilon=self.epsilon,
            is_training=True,
        )
        # The fused op gives the unbiased variance, Keras keeps the biased.
        count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), variance.dtype)
        variance *= (count - 1) / count
        self._move(self.moving_mean, mean)
        self._move(self.moving_variance, variance)
        return outputs

    def _move(self, average, value):
        average.assign(
            average * self.momentum
            + tf.cast(value, average.dtype) * (1 - self.momentum)
        )


class _DeferredConv2D(keras.layers.Conv2D):
    """Holds the kernel of the stem's 1x1 and leaves the work to the next."""

    def call(self, inputs):
        return inputs

    def compute_output_shape(self, input_shape):
        return input_shape


class _ComposedConv2D(keras.layers.Conv2D):
    """The stem's 3x3 convolution with the deferred 1x1 folded in."""

    def __init__(self, deferred: _DeferredConv2D, **kwargs):
        super().__init__(**kwargs)
        self._deferred = deferred

    def build(self, input_shape):
        super().build((*input_shape[:-1], self._deferred.filters))
        self.input_spec = None  # It is called on the image itself.

    def call(self, inputs):
        kernel = tf.einsum(
            "im,rcmo->rcio", self._deferred.kernel[0, 0], self.kernel
        )
        return keras.ops.conv(inputs, kernel, padding=self.padding)

    def compute_output_shape(self, input_shape):
        return super().compute_output_shape(
            (*input_shape[:-1], self._deferred.filters)
        )


class _PickingConv2D(keras.layers.Conv2D):
    """A 1x1 convolution with a stride, without the stride's convolution."""

    def call(self, inputs):
        # The mean over one pixel is that pixel.
        picked = tf.nn.avg_pool2d(inputs, 1, self.strides, "VALID")
        return keras.ops.conv(picked, self.kernel)


class _SlicingCropping2D(keras.layers.Cropping2D):
    """Keras's layer, with the gradient of `tf.slice`: padding with zeros."""

    def call(self, inputs):
        (top, bottom), (left, right) = self.cropping
        batch, rows, cols, channels = tf.unstack(tf.shape(inputs))
        cropped = tf.slice(
            inputs,
            (0, top, left, 0),
            (batch, rows - top - bottom, cols - left - right, channels),
        )
        return tf.ensure_shape(cropped, self.compute_output_shape(inputs.shape))


def training_twin(
    model: keras.Model, num_replicas: int = 1, policy: str | None = None
) -> keras.Model:
    """A model that computes what `model` does, made for training.

    Args:
        model: A BagNet; its weights are copied.
        num_replicas: With more than one, batch normalisation is Keras's own,
            synchronised over them (the fused op is not).
        policy: Keras's dtype policy of all layers but pooling and classifier:
            `"mixed_float16"` or `"mixed_bfloat16"` for a GPU. By default
            each layer keeps its own.

    Returns:
        A `keras.Model` with float32 variables of its own.
    """
    stem = {}

    def clone(layer):
        config = layer.get_config()
        if policy and layer.name not in (POOLING_LAYER, CLASSIFIER_LAYER):
            config["dtype"] = policy
        if isinstance(layer, keras.layers.BatchNormalization):
            if num_replicas == 1:
                return _FusedBatchNormalization.from_config(config)
            config["synchronized"] = True
        if layer.name == "stem_conv1":
            stem["deferred"] = _DeferredConv2D.from_config(config)
            return stem["deferred"]
        if layer.name == "stem_conv2":
            return _ComposedConv2D(stem["deferred"], **config)
        if _is_strided_1x1(layer):
            return _PickingConv2D.from_config(config)
        if isinstance(layer, keras.layers.Cropping2D):
            return _SlicingCropping2D.from_config(config)
        return type(layer).from_config(config)

    twin = keras.models.clone_model(model, clone_function=clone)
    twin.set_weights(model.get_weights())
    return twin


def _is_strided_1x1(layer: keras.Layer) -> bool:
    return (
        isinstance(layer, keras.layers.Conv2D)
        and layer.kernel_size == (1, 1)
        and layer.strides != (1, 1)
    )


def copy_back(
    twin: keras.Model, model: keras.Model, average: Sequence[tf.Variable] = ()
) -> None:
    """Gives the plain model the weights of its twin, or averages of them."""
    model.set_weights([mean.numpy() for mean in average] or twin.get_weights())
