"""Which patch speaks for which class, and how much? Patch logits, evidence.

Words: *class evidence* is the patch logits of one class, and its mean over
the grid is the logit; a *contribution* is evidence / (rows * cols), and the
sum of the contributions is the logit.

Under a softmax head, adding any map to all classes changes no decision, so one
class's raw map carries a free gauge. *Class-centred* evidence (minus the mean
over classes) does not, and is what we rank and draw. Under a sigmoid head each
class stands by itself (`bagnet_tf.heads`): its evidence as it is.
"""

from collections.abc import Sequence

import keras
import numpy as np

from bagnet_tf.architecture import (
    CLASSIFIER_LAYER,
    NORMALIZATION_LAYER,
    POOLING_LAYER,
)
from bagnet_tf.explanation import Explanation
from bagnet_tf.geometry import geometry_of
from bagnet_tf.heads import check_head
from bagnet_tf.patch_evidence import (
    check_class_ids,
    class_centred,
    explanation_of,
    most_probable,
)

__all__ = [
    "check_class_ids",
    "check_images",
    "class_centred",
    "explain",
    "patch_logits_model",
]


def patch_logits_model(model: keras.Model) -> keras.Model:
    """The same network with its patch logits as a second output.

    Args:
        model: A BagNet with a classifier, also one that came from
            `keras.models.load_model`.

    Returns:
        A `keras.Model` that shares the weights of `model`; outputs a dict of
        `logits` (batch, classes) and `patch_logits`
        (batch, rows, cols, classes), both float32, with
        `mean(patch_logits, axis=(1, 2)) == logits`.

    Raises:
        ValueError: If `model` is not a BagNet with a classifier.

    Source: Brendel & Bethge 2019, section 2: average pooling and a linear
    classifier commute.
    """
    layers = {layer.name: layer for layer in model.layers}
    missing = {POOLING_LAYER, CLASSIFIER_LAYER} - layers.keys()
    if missing:
        raise ValueError(
            "model must be a BagNet with a classifier (include_top=True). "
            f"Received: model={model.name!r} without "
            f"{', '.join(sorted(missing))}"
        )
    pooling, classifier = layers[POOLING_LAYER], layers[CLASSIFIER_LAYER]
    # The logits come from the pooled features, not from the mean of the
    # patch logits: cheaper, and additivity stays a real check.
    outputs = {
        "logits": classifier(pooling.output),
        "patch_logits": classifier(pooling.input),
    }
    return keras.Model(model.input, outputs, name=model.name)


def explain(
    model: keras.Model,
    images: np.ndarray,
    class_ids: Sequence[int] | np.ndarray | None = None,
    top_k: int = 5,
    head: str = "softmax",
) -> Explanation:
    """Takes the decision of a BagNet apart into its patches.

    Args:
        model: A BagNet with a classifier.
        images: (batch, height, width, channels), in the model's input range.
        class_ids: The classes to explain, for every image; by default the
            three most probable ones of each image, or all if there are fewer.
        top_k: Number of patches that `Explanation.top_patches` gives.
        head: What the logits mean, `"softmax"` (one of the classes) or
            `"sigmoid"` (each class by itself): `ModelInfo.head`.

    Returns:
        An `Explanation`.

    Raises:
        ValueError: If `images` has the wrong rank, channels, dtype or range,
            or is smaller than the receptive field, or a class id is out of
            range, or `head` is unknown, or softmax for a single class.
    """
    images = np.asarray(images)
    geometry = geometry_of(model)
    check_images(images, model)
    geometry.grid_shape(*images.shape[1:3])
    network = patch_logits_model(model)
    classes = model.get_layer(CLASSIFIER_LAYER).units
    _check_head(head, classes)
    if class_ids is not None:
        check_class_ids(class_ids, classes)
    outputs = network.predict(images, verbose=0)
    logits, patch_logits = outputs["logits"], outputs["patch_logits"]
    if class_ids is None:
        explained = most_probable(logits)
    else:
        explained = np.tile(np.asarray(class_ids), (len(logits), 1))
    return explanation_of(
        logits, patch_logits, explained, geometry, head, top_k
    )


def check_images(images: np.ndarray, model: keras.Model) -> None:
    """Refuses images that `model` does not take.

    Raises:
        ValueError: If rank, channels, dtype or range are wrong.
    """
    channels = model.input_shape[-1]
    if images.ndim != 4 or images.shape[-1] != channels:
        raise ValueError(
            f"images must be (batch, height, width, {channels}). "
            f"Received: images.shape={images.shape}"
        )
    if not np.issubdtype(images.dtype, np.number):
        raise ValueError(
            f"images must be numbers. Received: images.dtype={images.dtype}"
        )
    if NORMALIZATION_LAYER in [layer.name for layer in model.layers]:
        low, high = images.min(initial=0), images.max(initial=0)
        if not 0 <= low <= high <= 255:  # Written so that NaN fails.
            raise ValueError(
                "images must be in 0..255: this model normalises them "
                f"itself. Received: values from {low} to {high}"
            )


def _check_head(head, classes):
    check_head(head)
    if head == "softmax" and classes == 1:
        raise ValueError(
            "head must be 'sigmoid' for a model of one class: compared with "
            f"no other, it is always certain. Received: head={head!r}"
        )
