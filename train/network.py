"""Which network does a configuration mean? Its layers, and first weights."""

import keras
import ml_collections

from bagnet_tf.architecture import ARCHITECTURES, CONTROL
from bagnet_tf.datasets import ImageSource
from bagnet_tf.models import BagNet

from .pipeline import training_sizes


def build_model(
    config: ml_collections.ConfigDict, source: ImageSource
) -> keras.Model:
    """Builds the plain network, which is saved in the end.

    Args:
        config: See `train/configs`.
        source: Says how many classes and channels there are.

    Returns:
        The network. All but its classifier has the weights that
        `config.weights` names, if any: the classes are others.

    Raises:
        ValueError: If the architecture is unknown or too large for the crops,
            or the weights do not fit it.
    """
    known = {**ARCHITECTURES, CONTROL.name: CONTROL}
    if config.architecture not in known:
        raise ValueError(
            f"config.architecture must be one of {', '.join(sorted(known))}. "
            f"Received: config.architecture={config.architecture!r}"
        )
    architecture = known[config.architecture]
    if architecture.geometry:
        for size in {*training_sizes(config), config.eval_image_size}:
            architecture.geometry.grid_shape(size, size)  # Refuses small ones.
    shape = {
        "input_shape": (None, None, source.channels),
        "width": config.width,
    }
    model = BagNet(architecture, classes=len(source.labels), **shape)
    if config.weights:
        trunk = BagNet(architecture, config.weights, include_top=False, **shape)
        for layer in trunk.layers:
            model.get_layer(layer.name).set_weights(layer.get_weights())
    return model
