"""How few patches carry a decision? The sparsity of evidence."""

from collections.abc import Sequence

import numpy as np

from bagnet_tf.evidence import class_centred
from bagnet_tf.heads import is_centred

STRONGEST_SHARE = 0.1  # Of the patches of a photo.


class EvidenceSparsity:
    """Mean share of the evidence in the strongest tenth of the patches.

    Of each photo the evidence that decides for its leading class (see
    `bagnet_tf.heads`): the absolute contributions of the strongest 10 % of the
    patches, rounded up, over those of all. 1 if these carry everything; as
    much as their share of the patches, about 0.1, if all are as strong.

    Example:
        >>> sparsity = EvidenceSparsity("softmax")
        >>> evaluate("train[95%:]", keep=sparsity.add)
        >>> sparsity.value
    """

    def __init__(self, head: str):
        """Starts without a photo.

        Args:
            head: What the logits mean.
        """
        self._head = head
        self._shares = []

    def add(
        self,
        ids: Sequence[str],
        labels: np.ndarray,
        logits: np.ndarray,
        patch_logits: np.ndarray,
    ) -> None:
        """Adds a batch.

        Args:
            ids: Not used.
            labels: Not used.
            logits: (batch, classes).
            patch_logits: (batch, rows, cols, classes).
        """
        evidence = np.asarray(patch_logits, np.float64)
        if is_centred(self._head):
            evidence = class_centred(evidence)
        leading = np.argmax(logits, axis=-1)[:, None, None, None]
        strength = np.abs(np.take_along_axis(evidence, leading, axis=-1))
        strength = np.sort(strength.reshape(len(strength), -1))
        patches = strength.shape[1]
        # Of 10 patches one: without the product's rounding.
        count = int(np.ceil(round(STRONGEST_SHARE * patches, 6)))
        total = strength.sum(axis=1)
        strongest = strength[:, patches - count :].sum(axis=1)
        self._shares.append(
            np.divide(
                strongest,
                total,
                out=np.full(len(total), count / patches),
                where=total > 0,
            )
        )

    @property
    def value(self) -> float:
        """The mean over all photos so far, 0 to 1."""
        return float(np.concatenate(self._shares).mean())
