"""Which gauge suits a defence? Fitted on training data, part of the defence.

A number added to all patch logits changes no plain decision, and training
leaves it anywhere. A defence that clips at 0 is better or worse for it.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from bagnet_tf.certification.certificate import certify
from bagnet_tf.certification.defenses import Defense
from bagnet_tf.geometry import PatchGeometry

# Shares of the patch logits that an offset makes negative.
_SHARES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
# With tanh: where the standard deviation of the patch logits comes to lie. The
# published weights' are about 1 in units of its argument.
_SPREADS = (0.25, 0.5, 1.0, 2.0, 4.0)
_TANH_SLOPE = 0.05


def fit_gauge(
    defense: Defense,
    patch_logits: np.ndarray,
    labels: np.ndarray,
    patch_sizes: Sequence[int | tuple[int, int]],
    geometry: PatchGeometry,
) -> Defense:
    """Chooses the offset (and the scale of tanh) that certifies most.

    Args:
        defense: A defence with a gauge (`Defense.has_gauge`).
        patch_logits: (images, rows, cols, classes), of training images: what
            is fitted must not be fitted on images that are reported.
        labels: Their classes, int (images,).
        patch_sizes: As for `certify`; they count alike.
        geometry: Receptive field and stride.

    Returns:
        The defence with the candidate that certifies most images, and of
        several the one that decides most of them right.

    Raises:
        ValueError: If the defence has no gauge, or see `certify`.

    Example:
        >>> defense = fit_gauge(Defense("clipping"), train_logits,
        ...                     train_labels, [32], geometry)
        >>> certify(patch_logits, labels, 32, geometry, defense)
    """
    if not defense.has_gauge:
        raise ValueError(
            "defense must have a gauge to fit: masking of logits, or clipping. "
            f"Received: {defense.settings()}"
        )
    if not len(patch_logits):
        raise ValueError("patch_logits must be of at least one image.")

    def merit(candidate):
        found = [
            certify(patch_logits, labels, size, geometry, candidate)
            for size in patch_sizes
        ]
        certified = sum(c.certified.sum() for c in found)
        right = sum((c.predictions == labels).sum() for c in found)
        return int(certified), int(right)

    # `max` takes the first of equals: the defence as it was.
    return max([defense, *_candidates(defense, patch_logits)], key=merit)


def _candidates(defense: Defense, patch_logits: np.ndarray) -> list[Defense]:
    quantiles = np.quantile(np.asarray(patch_logits, np.float32), _SHARES)
    scales = [1.0]
    if defense.name == "clipping" and defense.clip is None:
        spread = max(float(np.std(patch_logits, dtype=np.float64)), 1e-6)
        scales += [s / _TANH_SLOPE / spread for s in _SPREADS]
    return [
        dataclasses.replace(defense, offset=offset, scale=scale)
        for scale in scales
        for offset in (0.0, *(-quantiles).tolist())
    ]
