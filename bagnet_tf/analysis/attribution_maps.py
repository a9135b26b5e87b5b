"""Which pixels matter for a network's decision, by each method of attribution?

Every method explains the same number, a weighted sum of logits (see
`bagnet_tf.analysis.attribution_methods`). tf-keras-vis computes those that it
has: saliency, SmoothGrad, Grad-CAM, Grad-CAM++, Score-CAM.
"""

import functools
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from bagnet_tf.analysis.attribution_methods import METHODS, Effort
from bagnet_tf.analysis.class_activation import (
    ClassActivation,
    visualization,
)
from bagnet_tf.analysis.classifiers import Classifier
from bagnet_tf.analysis.compiled import Compiled
from bagnet_tf.analysis.layer_relevance import LayerRelevance
from bagnet_tf.heads import is_centred
from bagnet_tf.localization import spread_to_pixels

_NOISE = 0.2  # Of SmoothGrad, in units of the image's range of values.
_MOST_AT_ONCE = 32  # Images in one forward or backward pass.


class Attribution:
    """The methods of attribution on one network.

    Example:
        >>> attribution = Attribution(classifier)
        >>> weights = class_weights([3], 10, "softmax")
        >>> attribution("gradcam", images, weights, [0]).shape
        (1, 224, 224)
    """

    def __init__(
        self,
        classifier: Classifier,
        seed: int = 0,
        effort: Effort | None = None,
    ):
        """Prepares nothing yet.

        Args:
            classifier: Whose decisions are explained.
            seed: Of the methods that are random.
            effort: How thorough; by default as `Effort` says.
        """
        self.classifier = classifier
        self.effort = effort or Effort()
        self.seed = seed

    @functools.cached_property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods that this network has."""
        left_out = set()
        if self.classifier.geometry is None:
            left_out.add("evidence")
        if not is_centred(self.classifier.info.head):
            left_out.add("scorecam")  # tf-keras-vis's has a softmax in it.
        try:
            self._layer_relevance  # noqa: B018
        except ValueError:
            left_out.add("lrp")
        return tuple(name for name in METHODS if name not in left_out)

    def __call__(
        self,
        method: str,
        images: np.ndarray,
        weights: np.ndarray,
        numbers: Sequence[int],
    ) -> np.ndarray:
        """Computes maps.

        Args:
            method: A key of `METHODS`.
            images: RGB 0-255, (batch, height, width, channels).
            weights: Of the logits of the dataset's classes, (batch, classes).
            numbers: Of the images, (batch,): what is random of an image
                depends on the seed and its number alone.

        Returns:
            float32 (batch, height, width). NaN where a method says nothing:
            in the rim of evidence.

        Raises:
            ValueError: If the network does not have this method.
        """
        if method not in self.methods:
            raise ValueError(
                f"methods of {self.classifier.title} must be among "
                f"{', '.join(self.methods)}. Received: {method!r}"
            )
        shape = np.shape(images)[1:3]
        images = self._at_fixed_size(np.asarray(images, np.float32))
        weights = np.asarray(weights, np.float32)
        maps = getattr(self, METHODS[method].function)(images, weights, numbers)
        maps = np.asarray(maps, np.float32)
        if maps.shape[1:] != shape:
            maps = tf.image.resize(maps[..., None], shape, "nearest")[..., 0]
        return np.asarray(maps)

    def _at_fixed_size(self, images) -> np.ndarray:
        """As `Classifier.logits` does: some networks take one size only."""
        size = self._network.input_shape[1:3]
        if None in size or images.shape[1:3] == size:
            return images
        return tf.image.resize(images, size).numpy()

    def _evidence(self, images, weights, numbers):
        _, patch_logits = self.classifier.patch_logits(images)
        evidence = np.einsum("brck,bk->brc", patch_logits, weights)
        return self._spread(evidence, images.shape[1:3])

    def _saliency(self, images, weights, numbers):
        # The largest absolute derivative over channels.
        return self._gradient_sizes(images, weights).max(axis=-1)

    def _smoothgrad(self, images, weights, numbers):
        maps = []
        for image, weight, number in zip(images, weights, numbers, strict=True):
            rng = np.random.default_rng([self.seed, int(number)])
            shape = (self.effort.smooth_samples, *image.shape)
            noise = rng.normal(0.0, _NOISE * np.ptp(image), shape)
            copies = (image + noise).astype(np.float32)
            tiled = np.tile(weight, (len(copies), 1))
            maps.append(self._gradient_sizes(copies, tiled).mean(0).max(-1))
        return np.stack(maps)

    def _integrated_gradients(self, images, weights, numbers):
        """From the image's mean colour to the image, summed over channels."""
        steps = self.effort.integration_steps
        shares = ((np.arange(steps) + 0.5) / steps).astype(np.float32)
        maps = []
        for image, weight in zip(images, weights, strict=True):
            start = image.mean(axis=(0, 1))
            path = start + shares[:, None, None, None] * (image - start)
            tiled = np.tile(weight, (steps, 1))
            mean = self._gradients(path, tiled).mean(axis=0)
            maps.append((mean * (image - start)).sum(axis=-1))
        return np.stack(maps)

    def _gradcam(self, images, weights, numbers):
        grid = self._class_activation.gradcam(images, weights)
        return self._spread(grid, images.shape[1:3])

    def _gradcam_plus_plus(self, images, weights, numbers):
        grid = self._class_activation.gradcam_plus_plus(images, weights)
        return self._spread(grid, images.shape[1:3])

    def _scorecam(self, images, weights, numbers):
        grid = self._class_activation.scorecam(
            images, weights, self.effort.cam_channels
        )
        return self._spread(grid, images.shape[1:3])

    def _lrp(self, images, weights, numbers):
        full = np.zeros((len(images), self._network.output_shape[-1]))
        full[:, self.classifier.class_ids] = weights
        return self._layer_relevance(images, full)

    def _random(self, images, weights, numbers):
        return np.stack(
            [
                np.random.default_rng([self.seed, int(number), 1]).random(
                    images.shape[1:3]
                )
                for number in numbers
            ]
        )

    @functools.cached_property
    def _network(self) -> keras.Model:
        """One input, one output: with several, tf-keras-vis's maps are wrong.

        (With a dict of outputs it takes them in the order of sorted keys.)
        """
        model = self.classifier.model
        return keras.Model(model.inputs, model.outputs[0])

    @functools.cached_property
    def _layer_relevance(self) -> LayerRelevance:
        return LayerRelevance(self._network, self.effort.epsilon)

    @functools.cached_property
    def _class_activation(self) -> ClassActivation:
        return ClassActivation(self._network, self._prepared, self._score)

    def _score(self, weights) -> Callable:
        class_ids = list(self.classifier.class_ids)

        def score(outputs):
            chosen = tf.gather(outputs, class_ids, axis=-1)
            return tf.reduce_sum(chosen * weights, axis=-1)

        return score

    @functools.cached_property
    def _saliency_function(self) -> Compiled:
        # Compiled, since an eager tape computes the derivatives by the kernels
        # too, which nobody asked for and which crash TensorFlow 2.21 on a CPU
        # where a batch is a single image.
        saliency = visualization("saliency", "Saliency")(self._network)
        return Compiled(
            lambda images, weights: saliency(
                self._score(weights),
                self._prepared(images),
                keepdims=True,
                normalize_map=False,
            )
        )

    @functools.cached_property
    def _gradient_function(self) -> Compiled:
        def gradients(images, weights):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(images)
                logits = self._network(self._prepared(images), training=False)
                score = tf.reduce_sum(self._score(weights)(logits))
            return tape.gradient(score, images)

        return Compiled(gradients)

    def _gradient_sizes(self, images, weights) -> np.ndarray:
        """Absolute derivatives (batch, height, width, channels)."""
        return _in_parts(self._saliency_function, images, weights)

    def _gradients(self, images, weights) -> np.ndarray:
        return _in_parts(self._gradient_function, images, weights)

    def _spread(self, grid, image_shape) -> np.ndarray:
        """From the grid to the pixels.

        Cells of a BagNet go where their patches' centres are; those of others
        are stretched over the image, as is usual.
        """
        if self.classifier.geometry is not None:
            return spread_to_pixels(grid, image_shape, self.classifier.geometry)
        stretched = tf.image.resize(grid[..., np.newaxis], image_shape)
        return stretched[..., 0].numpy()

    def _prepared(self, images) -> tf.Tensor:
        return self.classifier.preprocess(tf.cast(images, tf.float32))


def _in_parts(function, *arrays) -> np.ndarray:
    found = []
    for i in range(0, len(arrays[0]), _MOST_AT_ONCE):
        parts = [tf.constant(a[i : i + _MOST_AT_ONCE]) for a in arrays]
        found.append(function(*parts).numpy())
    return np.concatenate(found)
