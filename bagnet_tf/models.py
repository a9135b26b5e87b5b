"""How is a BagNet built in Keras? Functional builders from built-in layers.

Reference:
    Brendel & Bethge, "Approximating CNNs with Bag-of-local-Features models
    works surprisingly well on ImageNet", ICLR 2019, and its PyTorch code.
"""

import dataclasses
import os
from typing import Any

import keras

from bagnet_tf import architecture as architectures
from bagnet_tf.architecture import (
    CLASSIFIER_LAYER,
    NORMALIZATION_LAYER,
    POOLING_LAYER,
    STEM_LAYERS,
    Architecture,
    Stage,
    batch_norm_name,
)
from bagnet_tf.presets import RGB_MEAN, RGB_STD
from bagnet_tf.pretrained import load_weights

_BN_EPSILON = 1e-5
# The reference uses 0.999 for the stem. We use 0.9 everywhere: it changes
# nothing in inference, and in a run of a few thousand steps 0.999 leaves the
# stem's moving statistics far behind its weights.
_BN_MOMENTUM = 0.9


def BagNet(
    architecture: Architecture,
    weights: str | os.PathLike[str] | None = None,
    classes: int = 1000,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    width: float = 1.0,
    include_preprocessing: bool = True,
    include_top: bool = True,
    pooling: str | None = None,
    classifier_activation: str | None = None,
    name: str | None = None,
) -> keras.Model:
    """Builds a BagNet: a ResNet whose cells each see only a small patch.

    The model is an ordinary functional model of Keras's own layers: a saved
    one is opened by `keras.models.load_model` without this library.

    Args:
        architecture: Which network; `bagnet_tf.BAGNET33` for example, or one
            of your own. `bagnet_tf.CONTROL` is the control of large receptive
            field, for comparisons; it has no patches.
        weights: `None` (random); `"imagenet"`, the best public weights
            (osmr/imgclsmob); `"imagenet-official"`, those of the paper, which
            need torch to be read and have nearly dead layers: evaluate them
            in float32 (top-1 of BagNet-33 is 66.7 % in float32, 58.0 % in
            float16); `"imagenette"`, our own, which ship with the package
            (BagNet-33, `width=0.5`, `classes=10`); or a file: `.weights.h5`
            or `.keras` of this library, `.h5` or `.h5.zip` of tf2cv, `.pth`
            or `.pth.tar` of either PyTorch implementation. Public ones are
            downloaded once into Keras's cache;
            `bagnet_tf.preset_info("bagnet33-imagenet")` tells about them.
            Without the top, a classifier in a file is ignored.
        classes: Width of the classifier.
        input_shape: (height, width, channels); `None` for a side of any size.
        width: Multiplies the number of channels everywhere, stem included.
        include_preprocessing: Whether the model normalises its input itself.
            If so, the input is RGB in 0..255; if not, it is normalised. Grey
            images, and others of not 3 channels, are in 0..255 as well: each
            channel is normalised by the mean and the standard deviation of
            RGB's, averaged over its three channels.
        include_top: Whether to end in the classifier.
        pooling: Without the top: `None` (feature map), `"avg"` or `"max"`.
        classifier_activation: Applied to the logits; `None` puts them out.
        name: Name of the model; by default that of the architecture.

    Returns:
        A `keras.Model`: input `image` (batch, height, width, channels),
        float32; output logits (batch, classes), the mean over the grid of
        the patch logits.

    Raises:
        ValueError: If an argument is out of its range, or `weights` do not
            fit the other arguments.
        OSError: If `weights` cannot be downloaded.

    Example:
        >>> model = bagnet_tf.BagNet17(classes=10, width=0.5)
        >>> logits = model(images)  # (batch, 10)
    """
    _check_arguments(architecture, classes, input_shape, width)
    _check_head(include_top, pooling, classifier_activation)
    # Pooling and classifier stay in float32 under a mixed-precision policy:
    # logits must remain the mean of the patch logits.
    head_dtype = keras.config.floatx()

    # === Functional Model ===
    image = keras.Input(input_shape, name="image")
    x = image
    if include_preprocessing:
        x = keras.layers.Normalization(
            mean=_by_channel(RGB_MEAN, input_shape[-1]),
            variance=[s**2 for s in _by_channel(RGB_STD, input_shape[-1])],
            dtype=head_dtype,
            name=NORMALIZATION_LAYER,
        )(x)
    padding = architecture.padding
    x = _stem(x, _scaled(architecture.stem_channels, width), padding)
    for index, stage in enumerate(architecture.stages, start=1):
        channels = _scaled(stage.channels, width)
        stage = dataclasses.replace(stage, channels=channels)
        x = _stage(x, stage, architecture.expansion, padding, f"stage{index}")
    if include_top:
        x = keras.layers.GlobalAveragePooling2D(
            dtype=head_dtype, name=POOLING_LAYER
        )(x)
        x = keras.layers.Dense(
            classes, dtype=head_dtype, name=CLASSIFIER_LAYER
        )(x)
        if classifier_activation is not None:
            x = keras.layers.Activation(
                classifier_activation, dtype=head_dtype, name="predictions"
            )(x)
    elif pooling == "avg":
        x = keras.layers.GlobalAveragePooling2D(
            dtype=head_dtype, name=POOLING_LAYER
        )(x)
    elif pooling == "max":
        x = keras.layers.GlobalMaxPooling2D(dtype=head_dtype, name="max_pool")(
            x
        )
    model = keras.Model(image, x, name=name or architecture.name)
    if weights is not None:
        load_weights(model, weights, architecture, width)
    return model


def BagNet9(
    weights: str | os.PathLike[str] | None = None, **kwargs: Any
) -> keras.Model:
    """BagNet with patches of 9x9 pixels. Arguments: see `BagNet`."""
    return BagNet(architectures.BAGNET9, weights, **kwargs)


def BagNet17(
    weights: str | os.PathLike[str] | None = None, **kwargs: Any
) -> keras.Model:
    """BagNet with patches of 17x17 pixels. Arguments: see `BagNet`."""
    return BagNet(architectures.BAGNET17, weights, **kwargs)


def BagNet33(
    weights: str | os.PathLike[str] | None = None, **kwargs: Any
) -> keras.Model:
    """BagNet with patches of 33x33 pixels. Arguments: see `BagNet`."""
    return BagNet(architectures.BAGNET33, weights, **kwargs)


def _stem(x, channels: int, padding: str):
    # Neither normalisation nor ReLU between the two convolutions, as in the
    # reference.
    projection, convolution = STEM_LAYERS
    x = _conv(x, channels, 1, 1, padding, projection)
    x = _conv(x, channels, 3, 1, padding, convolution)
    return _relu(_batch_norm(x, batch_norm_name(convolution)), "stem_relu")


def _stage(x, stage: Stage, expansion: int, padding: str, name: str):
    for index, kernel_size in enumerate(stage.kernel_sizes):
        x = _block(
            x,
            stage.channels,
            stage.channels * expansion,
            kernel_size,
            stage.stride if index == 0 else 1,
            padding,
            f"{name}_block{index + 1}",
        )
    return x


def _block(x, channels, out_channels, kernel_size, stride, padding, name):
    """Bottleneck block; in a BagNet its middle convolution is not padded."""
    shortcut = x
    if stride != 1 or x.shape[-1] != out_channels:
        shortcut = _conv(
            x, out_channels, 1, stride, padding, f"{name}_shortcut_conv"
        )
        shortcut = _batch_norm(shortcut, f"{name}_shortcut_bn")
    if kernel_size > 1 and padding == "valid":
        # The unpadded convolution loses kernel_size - 1 rows and columns
        # (at stride 2: half of them). The shortcut is cropped to fit at the
        # bottom and right only, as in the reference, for any input size.
        crop = -(-(kernel_size - 1) // stride)
        shortcut = keras.layers.Cropping2D(
            ((0, crop), (0, crop)), name=f"{name}_shortcut_crop"
        )(shortcut)
    x = _conv(x, channels, 1, 1, padding, f"{name}_conv1")
    x = _relu(_batch_norm(x, f"{name}_bn1"), f"{name}_relu1")
    x = _conv(x, channels, kernel_size, stride, padding, f"{name}_conv2")
    x = _relu(_batch_norm(x, f"{name}_bn2"), f"{name}_relu2")
    x = _conv(x, out_channels, 1, 1, padding, f"{name}_conv3")
    x = _batch_norm(x, f"{name}_bn3")
    x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return _relu(x, f"{name}_out")


def _conv(x, channels, kernel_size, stride, padding, name):
    return keras.layers.Conv2D(
        channels,
        kernel_size,
        strides=stride,
        padding=padding,
        use_bias=False,
        # Normal with std sqrt(2 / (rows * columns * out_channels)).
        kernel_initializer=keras.initializers.VarianceScaling(
            2.0, mode="fan_out", distribution="untruncated_normal"
        ),
        name=name,
    )(x)


def _batch_norm(x, name):
    return keras.layers.BatchNormalization(
        momentum=_BN_MOMENTUM, epsilon=_BN_EPSILON, name=name
    )(x)


def _relu(x, name):
    return keras.layers.ReLU(name=name)(x)


def _scaled(channels: int, width: float) -> int:
    return max(1, round(channels * width))


def _by_channel(rgb: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """RGB's own values, or for other channels their mean."""
    if channels == len(rgb):
        return rgb
    return (sum(rgb) / len(rgb),) * channels


def _check_arguments(architecture, classes, input_shape, width):
    if not isinstance(architecture, Architecture):
        raise ValueError(
            "architecture must be a bagnet_tf.Architecture, for example "
            f"bagnet_tf.BAGNET33. Received: architecture={architecture!r}"
        )
    if not isinstance(classes, int) or classes < 1:
        raise ValueError(
            f"classes must be a positive integer. Received: classes={classes!r}"
        )
    if not width > 0:
        raise ValueError(
            f"width must be a positive number. Received: width={width!r}"
        )
    if len(input_shape) != 3 or not input_shape[-1]:
        raise ValueError(
            "input_shape must be (height, width, channels) with known "
            f"channels. Received: input_shape={input_shape!r}"
        )
    if architecture.geometry is None:
        return
    receptive_field = architecture.geometry.receptive_field
    if any(s is not None and s < receptive_field for s in input_shape[:2]):
        raise ValueError(
            "input_shape must be at least the receptive field, "
            f"{receptive_field} pixels a side. "
            f"Received: input_shape={input_shape!r}"
        )


def _check_head(include_top, pooling, classifier_activation):
    if pooling not in (None, "avg", "max"):
        raise ValueError(
            "pooling must be None, 'avg' or 'max'. "
            f"Received: pooling={pooling!r}"
        )
    if include_top and pooling is not None:
        raise ValueError(
            "pooling is for include_top=False only: with the top, patch "
            f"logits are averaged. Received: pooling={pooling!r}"
        )
    if not include_top and classifier_activation is not None:
        raise ValueError(
            "classifier_activation needs include_top=True. Received: "
            f"classifier_activation={classifier_activation!r}"
        )
