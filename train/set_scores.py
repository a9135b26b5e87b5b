"""How often is the decision one of those that are right for a photo?"""

import numpy as np

from bagnet_tf.heads import probabilities_of
from bagnet_tf.intervals import rate

from .calibration import calibration_errors


class SetScores:
    """Scores against sets of right answers, over a stream of predictions.

    Photos without a right answer are not scored.

    Source: Beyer et al., Are we done with ImageNet?, 2020 (ReaL).
    """

    def __init__(self, temperature: float | None = None):
        """Starts from zero.

        Args:
            temperature: If given, calibration is also scored after the logits
                are divided by it.
        """
        self._temperature = temperature
        self._without = 0
        self._logits, self._correct = [], []

    def update(self, logits: np.ndarray, sets: np.ndarray) -> None:
        """Adds a batch.

        Args:
            logits: (batch, classes).
            sets: Which classes are right, 0 or 1, (batch, classes).
        """
        logits, sets = np.asarray(logits, np.float64), np.asarray(sets, bool)
        scored = sets.any(axis=1)
        self._without += int((~scored).sum())
        logits, sets = logits[scored], sets[scored]
        self._logits.append(logits)
        self._correct.append(sets[np.arange(len(sets)), logits.argmax(axis=1)])

    def result(self) -> dict:
        """The scores of all batches so far, as JSON-ready values.

        Returns:
            `count` of scored photos; `num_without_label`, those that are not;
            `top1`, with its value in 0..1 and 95 % Wilson interval; what
            `calibration_errors` gives for the decision, and, with a
            temperature, the same again under `with_temperature`, which also
            holds the `temperature`.

        Raises:
            ValueError: If no photo has a right answer.
        """
        correct = np.concatenate(self._correct or [np.zeros(0, bool)])
        if not len(correct):
            raise ValueError(
                "split must have at least one photo with a label. Received: "
                f"{self._without} photos without"
            )
        logits = np.concatenate(self._logits)
        scores = {
            "count": len(correct),
            "num_without_label": self._without,
            "top1": rate(int(correct.sum()), len(correct)),
            **_errors(logits, correct),
        }
        if self._temperature:
            scores["with_temperature"] = {
                "temperature": self._temperature,
                **_errors(logits / self._temperature, correct),
            }
        return scores


def _errors(logits, correct) -> dict[str, float]:
    confidence = probabilities_of(logits, "softmax").max(axis=1)
    return calibration_errors(confidence, correct)
