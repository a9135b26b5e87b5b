"""What does a model's answer say, and can it be the named model's?"""

import numpy as np

from bagnet_tf.decisions import Verdict, verdict_of
from bagnet_tf.heads import probabilities_of

from .metadata import Metadata

# Largest |mean of patch logits - logit| of an answer, in units of the largest
# |patch logit|. Exact files stay below 1e-6; float16 and 8-bit ones need more,
# while logits and patch logits of two models differ by far more than that.
ADDITIVITY_TOLERANCE = 1e-2


def probabilities(logits: np.ndarray, head: str) -> np.ndarray:
    """What a head makes of logits.

    Args:
        logits: (..., classes).
        head: `"softmax"` or `"sigmoid"`.

    Returns:
        float64 of the same shape, 0-1.

    Raises:
        ValueError: If `head` is unknown.
    """
    return probabilities_of(np.asarray(logits, np.float64), head)


def decide(logits: np.ndarray, metadata: Metadata) -> Verdict:
    """Decides about one image, by the model's thresholds if it has any.

    Args:
        logits: (classes,).
        metadata: What belongs to the model.

    Returns:
        The classes, and in words how probable they are.
    """
    return verdict_of(
        logits, metadata.head, metadata.labels, metadata.thresholds
    )


def check_answer(
    logits: np.ndarray,
    patch_logits: np.ndarray,
    metadata: Metadata,
    image_size: tuple[int, int] | None = None,
    tolerance: float = ADDITIVITY_TOLERANCE,
) -> None:
    """Makes sure that an answer is one that the described model can give.

    Args:
        logits: Of one image, (classes,).
        patch_logits: Of the same image, (rows, cols, classes).
        metadata: What belongs to the model.
        image_size: (height, width) of the image, pixels; by default that of
            the metadata.
        tolerance: Largest |mean of patch logits - logit|, in units of the
            largest |patch logit|.

    Raises:
        ValueError: If shapes are not those of the labels and the grid, a
            number is not finite, or the logits are not the means of the patch
            logits.
    """
    logits, patch_logits = np.asarray(logits), np.asarray(patch_logits)
    classes = len(metadata.labels)
    if logits.shape != (classes,):
        raise ValueError(
            f"logits must be of the {classes} classes of the metadata of "
            f"{metadata.model!r}: it belongs to another model. "
            f"Received: logits.shape={logits.shape}"
        )
    expected = *metadata.grid_shape(image_size), classes
    if patch_logits.shape != expected:
        raise ValueError(
            f"patch_logits must be {expected}, as the metadata of "
            f"{metadata.model!r} has it: it belongs to another model. "
            f"Received: patch_logits.shape={patch_logits.shape}"
        )
    if not (np.isfinite(logits).all() and np.isfinite(patch_logits).all()):
        raise ValueError(
            "logits and patch_logits must be finite: the model is damaged. "
            "Received: some that are infinite or no numbers"
        )
    mean = patch_logits.mean(axis=(0, 1), dtype=np.float64)
    error = float(np.abs(mean - logits).max())
    if error > tolerance * float(np.abs(patch_logits).max()):
        raise ValueError(
            "logits must be the means of patch_logits: this is no answer of a "
            f"BagNet. Received: logits that differ by up to {error:.3g}"
        )
