"""How good are the decisions? Scores of a classifier, summed over batches."""

import math

import numpy as np

from .calibration import CalibrationScores


class ClassificationScores:
    """Accuracy, loss, calibration and confusion of a stream of predictions.

    Example:
        >>> scores = ClassificationScores(classes=10)
        >>> scores.update(logits, labels)
        >>> scores.result()["top1"]["value"]
    """

    def __init__(self, classes: int, temperature: float | None = None):
        """Starts from zero.

        Args:
            classes: Number of classes.
            temperature: If given, probabilities are also scored after the
                logits are divided by it.
        """
        self._top5 = 0
        self._confusion = np.zeros((classes, classes), np.int64)
        self._temperature = temperature
        self._as_they_are = CalibrationScores()
        self._tempered = CalibrationScores(temperature or 1.0)

    def update(self, logits: np.ndarray, labels: np.ndarray) -> None:
        """Adds a batch.

        Args:
            logits: (batch, classes).
            labels: Class ids, (batch,).
        """
        logits = np.asarray(logits, np.float64)
        index = np.arange(len(labels))
        # Ties count against the network.
        ahead = logits >= logits[index, labels][:, None]
        self._top5 += int((ahead.sum(axis=1) <= 5).sum())
        predictions = logits.argmax(axis=1)
        np.add.at(self._confusion, (labels, predictions), 1)
        self._as_they_are.update(logits, labels)
        if self._temperature:
            self._tempered.update(logits, labels)

    def result(self) -> dict:
        """The scores of all batches so far, as JSON-ready values.

        Returns:
            `count`; `top1` and `top5`, each with its value in 0..1 and 95 %
            Wilson interval (`top5` only where there are more than five
            classes); what `CalibrationScores.result` gives, and, with a
            temperature, the same again under `with_temperature`, which also
            holds the `temperature`; `per_class_accuracy` (`None` for a class
            without examples); `confusion`, rows true classes and columns
            predictions.

        Raises:
            ValueError: If no batch was added.
        """
        count = int(self._confusion.sum())
        if not count:
            raise ValueError("Scores need at least one example. Received: 0")
        correct = self._confusion.diagonal()
        per_class = [
            float(right / total) if total else None
            for right, total in zip(
                correct, self._confusion.sum(axis=1), strict=True
            )
        ]
        scores = {
            "count": count,
            "top1": _rate(int(correct.sum()), count),
            "top5": _rate(self._top5, count),
            **self._as_they_are.result(),
            "per_class_accuracy": per_class,
            "confusion": self._confusion.tolist(),
        }
        if len(self._confusion) <= 5:
            del scores["top5"]
        if self._temperature:
            scores["with_temperature"] = {
                "temperature": self._temperature,
                **self._tempered.result(),
            }
        return scores


def wilson_interval(successes: int, count: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a rate (Wilson 1927)."""
    z = 1.959963984540054
    rate = successes / count
    centre = rate + z * z / (2 * count)
    spread = z * math.sqrt(
        rate * (1 - rate) / count + z * z / (4 * count * count)
    )
    scale = 1 + z * z / count
    return (centre - spread) / scale, (centre + spread) / scale


def _rate(successes: int, count: int) -> dict:
    return {
        "value": successes / count,
        "interval95": list(wilson_interval(successes, count)),
    }
