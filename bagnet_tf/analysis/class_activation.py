"""Which cells of the last feature map matter? Class activation maps.

tf-keras-vis computes them. What its defaults would do to a map: go back from
the layer that is named to a convolution before it, and scale each map to its
own range.
"""

import contextlib
import functools
import importlib
import io
import warnings
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from bagnet_tf.analysis.compiled import Compiled

_MOST_AT_ONCE = 32  # Images in one forward pass.
_RAW_MAPS = {
    "seek_penultimate_conv_layer": False,
    "expand_cam": False,
    "normalize_cam": False,
}


class ClassActivation:
    """Grad-CAM, Grad-CAM++ and Score-CAM of one network, on its last grid."""

    def __init__(
        self,
        network: keras.Model,
        prepare: Callable[[np.ndarray], tf.Tensor],
        score: Callable[[np.ndarray], Callable],
    ):
        """Cuts nothing yet.

        Args:
            network: One input, one output: with several, tf-keras-vis's maps
                are wrong.
            prepare: Takes RGB 0-255 to the network's input.
            score: Takes weights (batch, classes) to what takes the network's
                output to the number that is explained.
        """
        self._network = network
        self._prepare = prepare
        self._score = score

    def gradcam(self, images: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Grad-CAM: (batch, rows, cols), not negative."""
        return self._of_features("gradcam", "Gradcam", images, weights)

    def gradcam_plus_plus(
        self, images: np.ndarray, weights: np.ndarray
    ) -> np.ndarray:
        """Grad-CAM++: (batch, rows, cols), not negative."""
        return self._of_features(
            "gradcam_plus_plus", "GradcamPlusPlus", images, weights
        )

    def scorecam(
        self, images: np.ndarray, weights: np.ndarray, channels: int
    ) -> np.ndarray:
        """Score-CAM: (batch, rows, cols), not negative.

        Args:
            images: RGB 0-255, (batch, height, width, channels).
            weights: (batch, classes).
            channels: How many of the features' channels, those of the largest
                spread, each of which costs a forward pass.
        """
        method = visualization("scorecam", "Scorecam")(self._network)
        available = self._feature_layer.output.shape[-1]
        grids = []
        for i in range(len(images)):
            # One at a time: it chooses channels for the whole batch. It draws
            # a progress bar for every image.
            with contextlib.redirect_stdout(io.StringIO()):
                grid = method(
                    self._score(weights[i : i + 1]),
                    self._prepare(images[i : i + 1]),
                    penultimate_layer=self._feature_layer.name,
                    max_N=min(channels, available),
                    batch_size=_MOST_AT_ONCE,
                    **_RAW_MAPS,
                )
            grids.append(np.asarray(grid))
        return np.concatenate(grids)

    def _of_features(self, module, name, images, weights) -> np.ndarray:
        """What needs derivatives by the features, and none further down."""
        body, head = self._body_and_head
        grid = visualization(module, name)(head)(
            self._score(weights),
            body(tf.constant(images)),
            penultimate_layer=0,  # The features, which are the head's input.
            **_RAW_MAPS,
        )
        return np.asarray(grid)

    @functools.cached_property
    def _feature_layer(self) -> keras.Layer:
        """The last layer whose output still has rows and columns."""
        spatial = []
        for layer in self._network.layers:
            shape = getattr(layer.output, "shape", ())
            if len(shape) == 4 and tuple(shape[1:3]) != (1, 1):
                spatial.append(layer)
        return spatial[-1]

    @functools.cached_property
    def _body_and_head(self) -> tuple[Compiled, keras.Model]:
        """Images to features, features to logits.

        So no derivative goes through the convolutions: an eager tape would
        compute those by the kernels too, which nobody asked for and which
        crash TensorFlow 2.21 on a CPU where a batch is a single image.
        """
        features = self._feature_layer.output
        body = keras.Model(self._network.inputs, features)
        return Compiled(
            lambda images: body(self._prepare(images), training=False)
        ), keras.Model(features, self._network.outputs[0])


def visualization(module: str, name: str) -> type:
    """A class of tf-keras-vis, which is slow to import."""
    with warnings.catch_warnings():
        # It imports scipy.ndimage.interpolation.
        warnings.simplefilter("ignore", DeprecationWarning)
        imported = importlib.import_module(f"tf_keras_vis.{module}")
    return getattr(imported, name)
