"""A trained model -> an equal, faster one: what is linear is folded together.

Three things of a BagNet are linear and follow a convolution or precede one
with nothing between, so they compose with it exactly: batch normalisation
with fixed statistics, the stem's two convolutions, and the normalisation of
the input (exactly, because no convolution is padded). All of it is done in
float64 and rounded once.
"""

import dataclasses

import keras
import numpy as np

from bagnet_tf.architecture import (
    CLASSIFIER_LAYER,
    NORMALIZATION_LAYER,
    POOLING_LAYER,
    STEM_LAYERS,
    batch_norm_name,
)
from bagnet_tf.evidence import patch_logits_model

_DTYPES = ("float32", "bfloat16")

# bfloat16 has 8 significant bits, so where a large mean is subtracted again,
# its rounding drowns what is left. Layers in which the mean of a channel is
# larger than this, in units of what the layer puts out, stay in float32.
_CANCELLATION_LIMIT = 8.0


def inference_model(
    model: keras.Model, dtype: str = "float32", name: str | None = None
) -> keras.Model:
    """Makes the equal, faster model for inference.

    Batch normalisation and input scaling are folded into the convolutions,
    and the stem's two convolutions are composed into one 3x3. The result is
    a plain functional model of Keras's own layers: it saves, loads and
    exports; it holds weights of its own and is not meant to be trained.

    In float32 its patch logits are within 1e-4 of the largest patch logit of
    `model` (typically 1e-6). In bfloat16 about 1e-2 (`benchmarks/` measures
    it); pooling and classifier stay in float32, so that the logits remain the
    mean of the patch logits. So do the stem, and layers of nearly dead
    channels: what such a channel puts out is a large constant and a whisper,
    of which normalisation keeps the whisper. Published weights have them, and
    plain rounding lets their accuracy fall.

    Args:
        model: A trained BagNet with a classifier, also one that came from
            `keras.models.load_model`.
        dtype: `"float32"` or `"bfloat16"`, the precision of the convolutions
            and of their weights.
        name: Name of the result; by default that of `model`.

    Returns:
        A `keras.Model`: input as that of `model`; outputs a dict of `logits`
        (batch, classes) and `patch_logits` (batch, rows, cols, classes),
        float32.

    Raises:
        ValueError: If `model` is not a BagNet with a classifier, or is such
            an inference model already, or `dtype` is another.

    Example:
        >>> fast = bagnet_tf.inference_model(model, dtype="bfloat16")
        >>> fast.predict(images)["patch_logits"].shape
        (8, 24, 24, 1000)
    """
    if dtype not in _DTYPES:
        raise ValueError(
            f"dtype must be one of {', '.join(_DTYPES)}. "
            f"Received: dtype={dtype!r}"
        )
    network = patch_logits_model(model)
    missing = set(STEM_LAYERS) - {layer.name for layer in network.layers}
    if missing:
        raise ValueError(
            "model must be a BagNet as it is trained, not folded already. "
            f"Received: model={model.name!r} without "
            f"{', '.join(sorted(missing))}"
        )
    folded = _folded(network)
    in_float32 = _layers_in_float32(network, folded)
    inference = keras.models.clone_model(
        network,
        clone_function=lambda layer: _counterpart(
            layer, "float32" if layer.name in in_float32 else dtype
        ),
        call_function=_call,
    )
    for layer_name, convolution in folded.items():
        layer = inference.get_layer(layer_name)
        layer.kernel.assign(convolution.kernel)
        layer.bias.assign(convolution.bias)
    classifier = network.get_layer(CLASSIFIER_LAYER)
    inference.get_layer(CLASSIFIER_LAYER).set_weights(classifier.get_weights())
    return inference


@dataclasses.dataclass(frozen=True)
class _Convolution:
    """A convolution and all that is linear around it, float64.

    Attributes:
        kernel: (rows, cols, in, out).
        bias: (out,).
        cancellation: The largest mean that the bias subtracts from a channel,
            in units of the layer's output (root mean square over channels).
    """

    kernel: np.ndarray
    bias: np.ndarray
    cancellation: float


def _folded(network: keras.Model) -> dict[str, _Convolution]:
    """Folds every convolution that remains, by the name of its layer."""
    projection, stem = STEM_LAYERS
    layers = {layer.name: layer for layer in network.layers}
    folded = {}
    for name, layer in layers.items():
        if not isinstance(layer, keras.layers.Conv2D) or name == projection:
            continue
        kernel, bias = _float64(layer.kernel), np.zeros(layer.filters)
        if name == stem:
            kernel = np.einsum(
                "im,rcmo->rcio",
                _float64(layers[projection].kernel)[0, 0],
                kernel,
            )
            if NORMALIZATION_LAYER in layers:
                kernel, bias = _with_scaling(
                    kernel, layers[NORMALIZATION_LAYER]
                )
        folded[name] = _with_batch_norm(
            kernel, bias, layers[batch_norm_name(name)]
        )
    return folded


def _with_scaling(kernel, normalization):
    """Makes a kernel of normalised images one of images as they come."""
    mean = np.ravel(_float64(normalization.mean))
    std = np.sqrt(np.ravel(_float64(normalization.variance)))
    kernel = kernel / std[:, None]
    return kernel, -np.einsum("rcio,i->o", kernel, mean)


def _with_batch_norm(kernel, bias, batch_norm) -> _Convolution:
    gamma, beta = _float64(batch_norm.gamma), _float64(batch_norm.beta)
    variance = _float64(batch_norm.moving_variance) + batch_norm.epsilon
    scale = gamma / np.sqrt(variance)
    subtracted = _float64(batch_norm.moving_mean) * scale
    output = np.sqrt(np.mean(gamma**2 + beta**2))
    tiny = np.finfo(np.float64).tiny
    return _Convolution(
        kernel=kernel * scale,
        bias=beta + bias * scale - subtracted,
        cancellation=float(np.abs(subtracted).max() / max(output, tiny)),
    )


def _layers_in_float32(
    network: keras.Model, folded: dict[str, _Convolution]
) -> set[str]:
    """Names of the layers that must not be rounded to bfloat16."""
    names = {POOLING_LAYER, CLASSIFIER_LAYER, STEM_LAYERS[1]}
    makers = {id(layer.output): layer for layer in network.layers[:-2]}
    for name, convolution in folded.items():
        if convolution.cancellation > _CANCELLATION_LIMIT:
            names.add(name)
            # What goes in must be as precise: back to what computed it.
            layer = network.get_layer(name)
            while isinstance(layer.input, keras.KerasTensor):
                layer = makers[id(layer.input)]
                names.add(layer.name)
                if layer.name in folded:
                    break
    return names


def _counterpart(layer: keras.Layer, dtype: str) -> keras.Layer:
    """The layer that stands for `layer` in the inference model."""
    if _vanishes(layer):
        return layer  # Left out by `_call`.
    config = layer.get_config() | {"dtype": dtype}
    if isinstance(layer, keras.layers.Conv2D):
        config["use_bias"] = True
    return type(layer).from_config(config)


def _call(layer, inputs, **kwargs):
    return inputs if _vanishes(layer) else layer(inputs, **kwargs)


def _vanishes(layer) -> bool:
    return (
        isinstance(
            layer, keras.layers.BatchNormalization | keras.layers.Normalization
        )
        or layer.name == STEM_LAYERS[0]
    )


def _float64(value) -> np.ndarray:
    return keras.ops.convert_to_numpy(value).astype(np.float64)
