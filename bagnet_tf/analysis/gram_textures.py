"""How is a texture made that has a photo's local statistics, and nothing else?

Gram-matrix texture synthesis (Gatys, Ecker & Bethge, NeurIPS 2015): from noise,
by gradient descent on the pixels, until the correlations of a network's
features, summed over positions, are those of the photo.

Differences: Adam for as many steps as asked, not L-BFGS until it converges;
each layer's loss is relative to the size of its Gram matrix, so that no weights
are needed; any Keras network, by default the last layer of each resolution
(theirs: conv1_1 and the four first poolings of VGG-19).
"""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from bagnet_tf.analysis.applications import (
    build_application,
    find_application,
)
from bagnet_tf.analysis.compiled import Compiled
from bagnet_tf.analysis.networks import load_network

_ARGUMENT = "feature_network"  # Messages call the network so.
_LEARNING_RATE = 10.0  # Grey levels a step, at first.
_START_SPREAD = 30.0  # Of the noise, grey levels.


class TextureSynthesis:
    """Makes textures of photos by the features of one network.

    Example:
        >>> synthesis = TextureSynthesis(network, preprocess, (224, 224))
        >>> textures, losses = synthesis(photos, seeds=[0, 1])
    """

    def __init__(
        self,
        network: keras.Model,
        preprocess: Callable,
        image_size: tuple[int, int],
        layers: Sequence[str] = (),
        steps: int = 200,
    ):
        """Chooses the layers.

        Args:
            network: Whose features are matched.
            preprocess: Takes RGB 0-255 to its input.
            image_size: (height, width) of the textures, pixels; a network of
                fixed input size gets them resized.
            layers: Names of layers with rows and columns; by default the last
                one of each resolution.
            steps: Steps of gradient descent.

        Raises:
            ValueError: If there is no such layer.
        """
        self._preprocess = preprocess
        self._steps = steps
        fixed = network.input_shape[1:3]
        self._size = image_size if None in fixed else fixed
        self._shape = (*image_size, network.input_shape[-1])
        by_name = _feature_layers(network)
        chosen = list(layers) or _last_of_each_resolution(
            network, by_name, (*self._size, network.input_shape[-1])
        )
        unknown = [name for name in chosen if name not in by_name]
        if unknown:
            raise ValueError(
                "feature_layers must be layers with rows and columns, such as "
                f"{', '.join(list(by_name)[-3:])}. "
                f"Received: feature_layers={','.join(unknown)}"
            )
        self.layers = tuple(chosen)
        outputs = [by_name[name].output for name in chosen]
        self._features = keras.Model(network.input, outputs)
        self._gradient = Compiled(self._loss_gradient)

    def __call__(
        self, images: np.ndarray, seeds: Sequence
    ) -> tuple[np.ndarray, np.ndarray]:
        """Makes a texture of each photo.

        Args:
            images: RGB 0-255, (batch, height, width, channels).
            seeds: Of the noise of each, anything that NumPy takes.

        Returns:
            Textures, uint8 of the shape of `images`, and the losses that are
            left, as shares of those of the noise, (batch,).
        """
        targets = self.grams(tf.cast(images, tf.float32))
        start = np.stack(
            [
                image.mean(axis=(0, 1))
                + np.random.default_rng(seed).normal(
                    0, _START_SPREAD, image.shape
                )
                for image, seed in zip(images, seeds, strict=True)
            ]
        )
        pixels = tf.Variable(np.clip(start, 0, 255).astype(np.float32))
        before = self.losses(pixels, targets).numpy()
        schedule = keras.optimizers.schedules.CosineDecay(
            _LEARNING_RATE, self._steps, alpha=0.02
        )
        optimizer = keras.optimizers.Adam(schedule)
        optimizer.build([pixels])
        for _ in range(self._steps):
            gradient = self._gradient(tf.convert_to_tensor(pixels), *targets)
            optimizer.apply([gradient], [pixels])
            pixels.assign(tf.clip_by_value(pixels, 0, 255))
        textures = np.round(pixels.numpy()).astype(np.uint8)
        after = self.losses(tf.cast(textures, tf.float32), targets).numpy()
        return textures, after / np.maximum(before, 1e-12)

    def grams(self, images: tf.Tensor) -> list[tf.Tensor]:
        """Gram matrices of each layer: (batch, channels, channels)."""
        if tuple(images.shape[1:3]) != tuple(self._size):
            images = tf.image.resize(images, self._size)
        outputs = self._features(self._preprocess(images), training=False)
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        return [_gram(features) for features in outputs]

    def losses(
        self, images: tf.Tensor, targets: Sequence[tf.Tensor]
    ) -> tf.Tensor:
        """How far Gram matrices are off, relative to their size, (batch,)."""
        total = 0.0
        for found, wanted in zip(self.grams(images), targets, strict=True):
            size = tf.reduce_sum(wanted**2, axis=(1, 2))
            error = tf.reduce_sum((found - wanted) ** 2, axis=(1, 2))
            total += error / tf.maximum(size, 1e-12)
        return total

    def _loss_gradient(self, images, *targets) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.reduce_sum(self.losses(images, targets))
        return tape.gradient(loss, images)


def open_feature_network(name: str) -> tuple[keras.Model, Callable]:
    """A network of features, and how it is fed.

    Args:
        name: A `.keras` file that takes RGB 0-255; one of keras.applications,
            whose weights are downloaded on first use; or `NAME@FILE.keras`,
            a file that is fed as that application.

    Raises:
        ValueError: If there is none.
        OSError: If weights cannot be downloaded.
    """
    application, _, path = name.rpartition("@")
    if path.endswith(".keras"):
        preprocess = _same
        if application:
            preprocess = find_application(application, _ARGUMENT).preprocess
        return load_network(path, _ARGUMENT), preprocess
    find_application(name, _ARGUMENT)
    return build_application(name, include_top=False)


def _same(images):
    return images


def _gram(features: tf.Tensor) -> tf.Tensor:
    """Products of channels, averaged over positions, in float32."""
    features = tf.cast(features, tf.float32)
    positions = tf.cast(tf.reduce_prod(tf.shape(features)[1:3]), tf.float32)
    return tf.einsum("bijc,bijd->bcd", features, features) / positions


def _feature_layers(network) -> dict[str, keras.layers.Layer]:
    """Layers of one output with rows and columns, in order."""
    return {
        layer.name: layer
        for layer in network.layers
        if not isinstance(layer, keras.layers.InputLayer)
        and len(getattr(layer.output, "shape", ())) == 4
    }


def _last_of_each_resolution(network, by_name, shape) -> list[str]:
    """Convolutions without padding lose a few pixels: halvings count."""
    every = keras.Model(
        network.input, [layer.output for layer in by_name.values()]
    )
    outputs = every(tf.zeros((1, *shape)), training=False)
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    last = {}
    for name, output in zip(by_name, outputs, strict=True):
        halvings = round(np.log2(shape[0] / max(output.shape[1], 1)))
        last[halvings] = name
    return list(last.values())
