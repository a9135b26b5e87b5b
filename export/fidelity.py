"""How alike are the evidence maps of a file and of its model?

Rounding weights and activations to few bits moves every patch logit a little.
These measures say what of that a person would notice. None depends on the
gauge of the evidence: they compare classes with each other.
"""

from collections.abc import Mapping

import numpy as np


def contrast_maps(patch_logits: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Why the best class and not the second: their difference, patch by patch.

    Args:
        patch_logits: (batch, rows, cols, classes).
        logits: (batch, classes), which rank the classes; those of the model,
            also for the maps of a file.

    Returns:
        (batch, rows, cols), logits. Of a single class: its patch logits, the
        difference from the logit 0 of its absence.
    """
    if logits.shape[-1] == 1:
        return patch_logits[..., 0]
    best = np.argsort(-logits, axis=-1, kind="stable")[:, :2]
    pairs = np.take_along_axis(patch_logits, best[:, None, None, :], axis=-1)
    return pairs[..., 0] - pairs[..., 1]


def map_correlations(maps: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Pearson's correlation of each map with what it should be.

    Args:
        maps: (batch, rows, cols).
        wanted: (batch, rows, cols).

    Returns:
        (batch,), float64; NaN where one of the two maps is constant.
    """
    first, second = (
        values.reshape(len(values), -1).astype(np.float64)
        for values in (maps, wanted)
    )
    first = first - first.mean(axis=1, keepdims=True)
    second = second - second.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return (first * second).sum(axis=1) / np.sqrt(
            (first**2).sum(axis=1) * (second**2).sum(axis=1)
        )


def patch_agreement(
    patch_logits: np.ndarray, wanted: np.ndarray, head: str
) -> np.ndarray:
    """Share of the patches that speak for the same class as in the model.

    Args:
        patch_logits: (batch, rows, cols, classes).
        wanted: The model's, of the same shape.
        head: What logits mean, one of `bagnet_tf.heads.HEADS`.

    Returns:
        (batch,), 0 to 1.
    """
    same = decisions(patch_logits, head) == decisions(wanted, head)
    return same.all(axis=-1).mean(axis=(1, 2))


def decisions(logits: np.ndarray, head: str) -> np.ndarray:
    """What compares equal where the decisions are.

    Args:
        logits: (..., classes).
        head: What they mean, one of `bagnet_tf.heads.HEADS`.

    Returns:
        (..., 1), the best class; of a sigmoid head (..., classes), whether a
        logit is above 0.
    """
    if head == "sigmoid":
        return logits > 0
    return logits.argmax(axis=-1, keepdims=True)


def stated_decisions(
    outputs: Mapping[str, np.ndarray], head: str
) -> np.ndarray:
    """The decisions of a file's answer, if need be from probabilities alone.

    Args:
        outputs: By `signature.output`.
        head: What logits mean, one of `bagnet_tf.heads.HEADS`.

    Returns:
        See `decisions`.
    """
    logits = outputs.get("serving_default.logits")
    if logits is None:
        # Of the order of logits and, under a sigmoid head, of their sign.
        logits = outputs["serving_default.probabilities"] - 0.5
    return decisions(logits, head)
