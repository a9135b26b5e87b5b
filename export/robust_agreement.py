"""Does a file decide robustly as the library does on its patch logits?

The guarantee is of the decisions that follow from a file's *own* patch
logits; those of the model are not asked.
"""

import dataclasses

import numpy as np

from bagnet_tf.certification.certificate import certify
from bagnet_tf.certification.rounding import TOLERANCE

from .robust_masking import RobustMasking

# Rounding of the sums; and what rounding can leave of them counts as nothing.
_ALLOWED = 2 * TOLERANCE


@dataclasses.dataclass(frozen=True)
class RobustAgreement:
    """How a file's robust logits compare with the library's decisions.

    Attributes:
        error: Largest |robust logit - the same in float64|, in units of the
            image's largest sum of positive patch logits.
        decision_agreement: Share of images with the decision of
            `bagnet_tf.certify`, or with one that differs by rounding.
        certified: Share of images on which no patch of the stated size
            changes that decision.
    """

    error: float
    decision_agreement: float
    certified: float

    @property
    def passed(self) -> bool:
        """Whether the file decides as the library does."""
        # Written so that NaN fails.
        return self.error <= _ALLOWED and self.decision_agreement == 1


class RobustComparison:
    """Adds up the differences of one file, batch by batch."""

    def __init__(self, robust: RobustMasking):
        """Compares with what `robust` stands for."""
        self._robust = robust
        self._errors, self._agreeing, self._certified = [], [], []

    def add(self, patch_logits: np.ndarray, robust_logits: np.ndarray) -> None:
        """Compares one batch.

        Args:
            patch_logits: Of the file, (batch, rows, cols, classes).
            robust_logits: Of the file, (batch, classes).

        Raises:
            ValueError: If one has not that shape, or is no number.
        """
        batch, *grid_shape, classes = patch_logits.shape
        if robust_logits.shape != (batch, classes):
            raise ValueError(
                f"robust_logits must be {batch, classes}. "
                f"Received: robust_logits.shape={robust_logits.shape}"
            )
        window = tuple(map(min, self._robust.window, grid_shape))
        expected, largest = _masked(patch_logits, window)
        errors = np.abs(robust_logits - expected).max(axis=-1)
        unit = np.where(largest > 0, largest, 1.0)
        self._errors.extend(errors / unit)
        certificate = certify(
            patch_logits, None, self._robust.patch_size, self._robust.geometry
        )
        decided = robust_logits[np.arange(batch), certificate.predictions]
        behind = robust_logits.max(axis=-1) - decided
        self._agreeing.extend(behind <= _ALLOWED * unit)
        self._certified.extend(certificate.certified)

    def result(self) -> RobustAgreement | None:
        """What was found in all batches; None if there were none."""
        if not self._errors:
            return None
        return RobustAgreement(
            float(np.max(self._errors)),
            float(np.mean(self._agreeing)),
            float(np.mean(self._certified)),
        )


def _masked(patch_logits, window) -> tuple[np.ndarray, np.ndarray]:
    """Robust logits (batch, classes) and the largest sums (batch,), float64."""
    evidence = np.maximum(patch_logits, 0).astype(np.float64)
    sums = evidence
    for axis, side in zip((1, 2), window, strict=True):
        sums = np.lib.stride_tricks.sliding_window_view(sums, side, axis)
        sums = sums.sum(axis=-1)
    totals = evidence.sum(axis=(1, 2))
    return totals - sums.max(axis=(1, 2)), totals.max(axis=-1)
