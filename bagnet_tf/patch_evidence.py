"""How do patch logits, wherever they were computed, become an explanation?

NumPy is all that is needed: clients of exported models explain with this
module too, where there is no TensorFlow.
"""

from collections.abc import Sequence

import numpy as np

from bagnet_tf.explanation import Explanation
from bagnet_tf.geometry import PatchGeometry
from bagnet_tf.heads import probabilities_of

_CLASSES_EXPLAINED = 3


def class_centred(patch_logits: np.ndarray) -> np.ndarray:
    """Patch logits minus their mean over classes (the last axis).

    Free of the gauge: the same for two networks whose probabilities agree
    because their maps differ by the same map in every class.
    """
    return patch_logits - patch_logits.mean(axis=-1, keepdims=True)


def most_probable(logits: np.ndarray) -> np.ndarray:
    """The classes that are explained where nobody asks for others.

    Args:
        logits: (batch, classes).

    Returns:
        The three most probable classes of each image, or all if there are
        fewer, int (batch, k).
    """
    ranked = np.argsort(-logits, axis=-1, kind="stable")
    return ranked[:, :_CLASSES_EXPLAINED]


def explanation_of(
    logits: np.ndarray,
    patch_logits: np.ndarray,
    class_ids: np.ndarray,
    geometry: PatchGeometry,
    head: str,
    top_k: int,
) -> Explanation:
    """Takes a decision apart into its patches.

    Args:
        logits: (batch, classes).
        patch_logits: (batch, rows, cols, classes).
        class_ids: The classes to explain, of each image, int (batch, k).
        geometry: Receptive field and stride of the grid.
        head: What the logits mean, one of `bagnet_tf.heads.HEADS`.
        top_k: Number of patches that `Explanation.top_patches` gives.

    Returns:
        An `Explanation`.
    """
    picked = class_ids[:, None, None, :]
    return Explanation(
        logits=logits,
        probabilities=probabilities_of(logits, head),
        class_ids=class_ids,
        class_evidence=np.take_along_axis(patch_logits, picked, axis=-1),
        centred_evidence=np.take_along_axis(
            class_centred(patch_logits), picked, axis=-1
        ),
        geometry=geometry,
        top_k=top_k,
        patch_probabilities=np.take_along_axis(
            probabilities_of(patch_logits, head), picked, axis=-1
        ),
        head=head,
    )


def check_class_ids(
    class_ids: Sequence[int] | np.ndarray, classes: int
) -> None:
    """Refuses what is not a list of class ids.

    Raises:
        ValueError: If it is empty, or not of integers from 0 to `classes` - 1.
    """
    chosen = np.asarray(class_ids)
    valid = (
        chosen.ndim == 1
        and chosen.size > 0
        and np.issubdtype(chosen.dtype, np.integer)
        and chosen.min() >= 0
        and chosen.max() < classes
    )
    if not valid:
        raise ValueError(
            f"class_ids must be integers in [0, {classes}). "
            f"Received: class_ids={class_ids!r}"
        )
