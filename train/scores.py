"""How good are the decisions? Scores of a classifier, summed over batches."""

import numpy as np

from bagnet_tf.intervals import rate

from .binary_scores import binary_scores
from .calibration import CalibrationScores


class ClassificationScores:
    """Accuracy, loss, calibration and confusion of a stream of predictions.

    Example:
        >>> scores = ClassificationScores(classes=10)
        >>> scores.update(logits, labels)
        >>> scores.result()["top1"]["value"]
    """

    def __init__(
        self,
        classes: int,
        temperature: float | None = None,
        threshold: float | None = None,
    ):
        """Starts from zero.

        Args:
            classes: Number of classes.
            temperature: If given, probabilities are also scored after the
                logits are divided by it.
            threshold: Of the probability of class 1, where there are two
                classes: from there on it is called a yes.
        """
        self._top5 = 0
        self._confusion = np.zeros((classes, classes), np.int64)
        self._temperature = temperature
        self._as_they_are = CalibrationScores()
        self._tempered = CalibrationScores(temperature or 1.0)
        self._threshold = threshold
        self._contrasts = []  # Of two classes, by batch.
        self._positive = []

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
        if len(self._confusion) == 2:
            self._contrasts.append(logits[:, 1] - logits[:, 0])
            self._positive.append(labels == 1)

    def result(self) -> dict:
        """The scores of all batches so far, as JSON-ready values.

        Returns:
            `count`; `top1` and `top5`, each with its value in 0..1 and 95 %
            Wilson interval (`top5` only where there are more than five
            classes); what `CalibrationScores.result` gives, and, with a
            temperature, the same again under `with_temperature`, which also
            holds the `temperature`; `per_class_accuracy` (`None` for a class
            without examples); `confusion`, rows true classes and columns
            predictions. Of two classes also `binary`: what `binary_scores`
            gives for class 1, without a temperature.

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
            "top1": rate(int(correct.sum()), count),
            "top5": rate(self._top5, count),
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
        if len(self._confusion) == 2:
            scores["binary"] = binary_scores(
                np.concatenate(self._contrasts),
                np.concatenate(self._positive),
                self._threshold,
            )
        return scores
