"""Which robust decisions cannot be changed by a patch of a given size?"""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from bagnet_tf.certification.bounded import certified_by_bounds
from bagnet_tf.certification.defenses import Defense
from bagnet_tf.certification.detection import alerts_and_certified
from bagnet_tf.certification.double_masking import (
    certified_by_double_masking,
    double_masked_decisions,
)
from bagnet_tf.certification.features import features_of
from bagnet_tf.certification.masking import (
    certified_by_masking,
    masked_decisions,
)
from bagnet_tf.certification.rounding import TOLERANCE, margin_of
from bagnet_tf.certification.windows import (
    box_sums,
    images_at_once,
    patch_shape,
    window_shape,
)
from bagnet_tf.geometry import PatchGeometry


@dataclasses.dataclass(frozen=True)
class Certificate:
    """The robust decisions on a batch, and which of them are proven.

    Attributes:
        predictions: What the defence decides on the images as they are, int64
            (batch,). For `detection`, the plain decision.
        certified: Whether no patch of the size or a smaller one, anywhere in
            the image, makes the defence decide other than the label (for
            `detection`: without an alert), bool (batch,). Where true, the
            prediction is the label.
        alerts: Where `detection` raises an alert on the image as it is, bool
            (batch,); nowhere for others.
        patch_size: (height, width), pixels of the model's input.
        window: (rows, cols) of the grid cells that such a patch can reach.
        defense: The defence.
    """

    predictions: np.ndarray
    certified: np.ndarray
    alerts: np.ndarray
    patch_size: tuple[int, int]
    window: tuple[int, int]
    defense: Defense


def certify(
    patch_logits: np.ndarray,
    labels: np.ndarray | None,
    patch_size: int | tuple[int, int],
    geometry: PatchGeometry,
    defense: str | Defense = "masking",
    threshold: float | None = None,
    **settings: Any,
) -> Certificate:
    """Decides robustly, and proves what it can.

    The proof is of the *defence's* decision. The plain decision, the mean of
    the patch logits, has none: one cell can say as much as it likes.

    Args:
        patch_logits: (batch, rows, cols, classes) of the images as they are.
        labels: The right classes, int (batch,); or None to certify the robust
            decision itself, right or wrong.
        patch_size: Side of a square patch or (height, width), pixels of the
            model's input; smaller patches are certified too.
        geometry: Receptive field and stride of the model.
        defense: A name of `DEFENSES`, with the arguments below; or a
            `Defense`.
        threshold: See `Defense`.
        **settings: The others of `Defense`.

    Returns:
        A `Certificate`.

    Raises:
        ValueError: If an argument is not as above.

    Example:
        >>> outputs = patch_logits_model(model).predict(images)
        >>> certificate = certify(
        ...     outputs["patch_logits"], labels, 32, geometry_of(model),
        ...     defense="double_masking",
        ... )
        >>> certificate.certified.mean()
    """
    defense = _defense(defense, threshold, settings)
    patch_logits = np.asarray(patch_logits)
    labels = _checked(patch_logits, labels)
    grid_shape = patch_logits.shape[1:3]
    shape = patch_shape(patch_size, geometry, grid_shape)
    window = window_shape(shape, geometry, grid_shape)
    parts = [[np.zeros(0, np.int64), np.zeros(0, bool), np.zeros(0, bool)]]
    at_once = images_at_once(patch_logits.shape[1:])
    for first in range(0, len(patch_logits), at_once):
        part = slice(first, first + at_once)
        # A GPU may round what it multiplies (TF32) by more than the margin.
        with tf.device("CPU"):
            found = _certified(
                tf.constant(patch_logits[part], tf.float32),
                None if labels is None else tf.constant(labels[part], tf.int64),
                window,
                defense,
            )
        parts.append([np.asarray(array) for array in found])
    predictions, certified, alerts = map(
        np.concatenate, zip(*parts, strict=True)
    )
    return Certificate(predictions, certified, alerts, shape, window, defense)


def _certified(patch_logits, labels, window, defense) -> tuple:
    """Predictions, certified and alerts of images that fit into memory."""
    if not np.isfinite(tf.reduce_sum(patch_logits).numpy()):
        raise ValueError(
            "patch_logits must be finite numbers whose sum is one. "
            "Received: nan, inf or too large ones"
        )
    if defense.name == "detection":
        sums, margin = _of_logits(patch_logits, window)
        decisions, alerts, certified = alerts_and_certified(
            patch_logits, sums, labels, defense.threshold, margin
        )
        return decisions, certified, alerts
    if defense.name == "double_masking":
        sums, margin = _of_logits(patch_logits, window)
        decisions = double_masked_decisions(patch_logits, sums, window, margin)
        labels = decisions if labels is None else labels
        certified = certified_by_double_masking(
            patch_logits, sums, labels, window, margin
        )
    else:
        decisions, certified = _of_features(
            patch_logits, labels, window, defense
        )
    return decisions, certified, tf.zeros_like(certified)


def _of_logits(patch_logits, window) -> tuple:
    """Their sums over each window, and the margin of rounding."""
    magnitudes = tf.reduce_sum(tf.abs(patch_logits), axis=(1, 2))
    return box_sums(patch_logits, window), margin_of(magnitudes)


def _of_features(patch_logits, labels, window, defense) -> tuple:
    """Predictions and certified of a defence that sums over features."""
    features = features_of(patch_logits, defense)
    totals = tf.reduce_sum(features.values, axis=(1, 2))
    if defense.name != "masking":
        cells = patch_logits.shape[1] * patch_logits.shape[2]
        decisions = tf.argmax(totals, axis=-1)
        labels = decisions if labels is None else labels
        margin = tf.fill(labels.shape, TOLERANCE * cells * features.high)
        return decisions, certified_by_bounds(features, labels, window, margin)
    decisions = masked_decisions(
        features.values, totals.numpy(), window, defense.threshold
    )
    labels = decisions if labels is None else labels.numpy()
    if features.possible is not features.values:
        totals = tf.reduce_sum(features.possible, axis=(1, 2))
    certified = certified_by_masking(
        features, totals.numpy(), labels, decisions, window, defense.threshold
    )
    return decisions, certified


def _defense(defense, threshold, settings) -> Defense:
    if isinstance(defense, Defense):
        if threshold is not None or settings:
            raise ValueError(
                "threshold and other settings belong into the Defense. "
                f"Received: threshold={threshold}, {settings}"
            )
        return defense
    return Defense(defense, threshold, **settings)


def _checked(patch_logits, labels) -> np.ndarray | None:
    if patch_logits.ndim != 4 or 0 in patch_logits.shape[1:]:
        raise ValueError(
            "patch_logits must be (batch, rows, cols, classes). "
            f"Received: patch_logits.shape={patch_logits.shape}"
        )
    if labels is None:
        return None
    labels, classes = np.asarray(labels), patch_logits.shape[-1]
    whole = np.issubdtype(labels.dtype, np.integer)
    if labels.shape != patch_logits.shape[:1] or not whole:
        raise ValueError(
            "labels must be one class id an image, whole numbers of shape "
            f"({len(patch_logits)},). Received: labels.shape={labels.shape}, "
            f"labels.dtype={labels.dtype}"
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"labels must be in 0..{classes - 1}. "
            f"Received: labels from {labels.min()} to {labels.max()}"
        )
    return labels
