"""Does a probability mean what it says? Proper scores and calibration errors.

A *temperature* divides logits before the softmax; fitted on photos held out of
training, it mends most of a network's over- or underconfidence and changes no
decision (Guo et al., ICML 2017).
"""

import math

import numpy as np

_BINS = 15
_LARGEST = 1e3  # Temperatures are sought from its inverse to this.


class CalibrationScores:
    """Scores of probabilities, over a stream of predictions."""

    def __init__(self, temperature: float = 1.0):
        """Starts without a prediction.

        Args:
            temperature: What logits are divided by.
        """
        self._temperature = temperature
        self._loss = 0.0
        self._brier = 0.0
        self._confidence, self._correct = [], []

    def update(self, logits: np.ndarray, labels: np.ndarray) -> None:
        """Adds a batch: logits (batch, classes), class ids (batch,)."""
        log_probabilities = _log_softmax(logits / self._temperature)
        index = np.arange(len(labels))
        self._loss -= log_probabilities[index, labels].sum()
        probabilities = np.exp(log_probabilities)
        errors = probabilities.copy()
        errors[index, labels] -= 1
        self._brier += np.square(errors).sum()
        self._confidence.append(probabilities.max(axis=1))
        self._correct.append(logits.argmax(axis=1) == labels)

    def result(self) -> dict[str, float]:
        """The scores of all batches so far.

        Returns:
            `loss`: mean cross-entropy, nats. `brier_score`: mean squared
            distance of the probabilities from the one-hot truth, 0 to 2
            (Brier 1950). And what `calibration_errors` gives for the decision.
        """
        confidence = np.concatenate(self._confidence)
        return {
            "loss": float(self._loss / len(confidence)),
            "brier_score": float(self._brier / len(confidence)),
            **calibration_errors(confidence, np.concatenate(self._correct)),
        }


def calibration_errors(
    probabilities: np.ndarray, happened: np.ndarray
) -> dict[str, float]:
    """How far probabilities are from how often it happened.

    Args:
        probabilities: Of what was predicted, 0..1, (count,).
        happened: Whether it came true, bool (count,).

    Returns:
        `expected_calibration_error`: mean distance of probability from
        frequency, in 15 bins of equal width (Guo et al. 2017).
        `equal_mass_calibration_error`: the same in bins of equally many
        predictions (Nguyen and O'Connor 2015).
    """
    count = len(probabilities)
    # (lower, upper], as in Guo et al.
    widths = (np.ceil(probabilities * _BINS).astype(int) - 1).clip(0)
    masses = np.empty(count, int)
    masses[np.argsort(probabilities, kind="stable")] = (
        np.arange(count) * min(_BINS, count) // count
    )
    return {
        "expected_calibration_error": _error(probabilities, happened, widths),
        "equal_mass_calibration_error": _error(probabilities, happened, masses),
    }


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature with which the cross-entropy is least.

    Labels are not quite trusted: of `count` photos, 1 / (count + 1) of each
    one's truth is spread evenly over the classes. Where every decision is
    right, the probabilities would otherwise become 1, and the first mistake
    after that cost without bound.

    Args:
        logits: (count, classes), of photos that nothing was trained on.
        labels: Their class ids, (count,).

    Returns:
        Between 0.001 and 1,000; it is the latter where the logits know nothing.

    Source: Guo et al., ICML 2017; the smoothed truth is after Platt, "Advances
    in Large Margin Classifiers", 1999. The cross-entropy is convex in the
    inverse temperature, so its slope is bisected.
    """
    logits = np.asarray(logits, np.float64)
    count = len(labels)
    true = logits[np.arange(count), labels]
    true = (count * true + logits.mean(axis=1)) / (count + 1)
    low, high = -math.log(_LARGEST), math.log(_LARGEST)
    for _ in range(60):
        middle = (low + high) / 2
        probabilities = np.exp(_log_softmax(logits * math.exp(middle)))
        slope = ((probabilities * logits).sum(axis=1) - true).mean()
        if slope > 0:
            high = middle
        else:
            low = middle
    return math.exp(-(low + high) / 2)


def _log_softmax(logits):
    logits = np.asarray(logits, np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _error(probabilities, happened, bins) -> float:
    """Mean distance of probability from frequency over bins, by their count."""
    difference = np.bincount(bins, probabilities) - np.bincount(bins, happened)
    return float(np.abs(difference).sum() / len(probabilities))
