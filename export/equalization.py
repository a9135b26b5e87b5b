"""Which equal network loses least when its activations get 8 bits?

LiteRT rounds the activations of a layer with one scale for all channels, and
its weights with one for each output channel. ReLU commutes with positive
factors, so channel c may leave the layers that produce it divided by s_c and
be multiplied by s_c in those that use it: the same function, but channels of
small activations are no longer drowned by the scale of large ones (Nagel et
al., "Data-Free Quantization", ICCV 2019). The channels of a stage's residual
stream belong together: every block adds to them.

The factors are chosen as in SmoothQuant (Xiao et al., ICML 2023), which
weighs the rounding of activations against that of weights.
"""

import dataclasses
from collections.abc import Mapping

import keras
import numpy as np

from bagnet_tf.architecture import CLASSIFIER_LAYER, POOLING_LAYER

# 1: all channels of a layer reach as far; 0: all weights that use a channel
# are as large. The weights lose little to rounding, the activations much.
_ACTIVATIONS_SHARE = 0.75

# Channels that never get this far, of the farthest, are not blown up more.
_LEAST = 1e-3


@dataclasses.dataclass
class _Channels:
    """Channels that must be scaled together.

    Attributes:
        tensors: Names of the layers that put them out.
        producers: Names of the layers with weights among those.
        users: Names of the layers with weights that take them in.
    """

    tensors: set[str] = dataclasses.field(default_factory=set)
    producers: set[str] = dataclasses.field(default_factory=set)
    users: set[str] = dataclasses.field(default_factory=set)


def equalize(
    network: keras.Model, largest: Mapping[str, np.ndarray]
) -> tuple[keras.Model, dict[str, np.ndarray]]:
    """Makes an equal network whose channels reach more equally far.

    Args:
        network: What `bagnet_tf.inference_model` gave, float32.
        largest: By name of a layer, how far each channel of its output
            reaches from 0, (channels,).

    Returns:
        The network, with weights of its own, and the same of its layers.
    """
    equal = keras.models.clone_model(network)
    weights = {
        layer.name: [w.astype(np.float64) for w in layer.get_weights()]
        for layer in network.layers
        if layer.weights
    }
    largest = dict(largest)
    for channels in _groups(network):
        measured = channels.tensors & largest.keys()
        reach = np.max([largest[name] for name in measured], axis=0)
        use = np.max(
            [_use(weights[name][0]) for name in channels.users], axis=0
        )
        scale = _scale(reach, use)
        for name in channels.producers:
            kernel, bias = weights[name]
            weights[name] = [kernel / scale, bias / scale]
        for name in channels.users:
            kernel, bias = weights[name]
            weights[name] = [kernel * scale[:, None], bias]
        for name in measured:
            largest[name] = largest[name] / scale
    for name, values in weights.items():
        equal.get_layer(name).set_weights(values)
    return equal, largest


def _groups(network: keras.Model) -> list[_Channels]:
    """The groups of channels inside the network, image and logits apart."""
    group_of = {}  # By id of the tensor.
    for layer in network.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if layer.name in (POOLING_LAYER, CLASSIFIER_LAYER):
            continue  # They end it: below.
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        if layer.weights:
            group = _Channels(producers={layer.name})
            if id(inputs[0]) in group_of:
                group_of[id(inputs[0])].users.add(layer.name)
        else:
            group = _Channels()
            for merged in (group_of[id(tensor)] for tensor in inputs):
                for field in dataclasses.fields(_Channels):
                    getattr(group, field.name).update(
                        getattr(merged, field.name)
                    )
                for key, value in group_of.items():
                    if value is merged:
                        group_of[key] = group
        group.tensors.add(layer.name)
        group_of[id(layer.output)] = group
    features = network.get_layer(POOLING_LAYER).input
    group_of[id(features)].users.add(CLASSIFIER_LAYER)
    return list({id(group): group for group in group_of.values()}.values())


def _use(kernel: np.ndarray) -> np.ndarray:
    """The largest weight of each input channel, (in,)."""
    return (
        np.abs(np.moveaxis(kernel, -2, 0)).reshape(kernel.shape[-2], -1).max(1)
    )


def _scale(reach: np.ndarray, use: np.ndarray) -> np.ndarray:
    """What to divide each channel by, (channels,); its geometric mean is 1."""
    reach, use = (
        np.maximum(values, _LEAST * values.max() or 1.0)
        for values in (reach, use)
    )
    scale = reach**_ACTIVATIONS_SHARE / use ** (1 - _ACTIVATIONS_SHARE)
    return scale / np.exp(np.log(scale).mean())
