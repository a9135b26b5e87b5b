"""How good is a head that says of each class by itself whether it is there?"""

import numpy as np

from .binary_scores import binary_scores

_MEANS = (
    "loss",
    "brier_score",
    "expected_calibration_error",
    "equal_mass_calibration_error",
)


class LabelScores:
    """Scores of a sigmoid head, over a stream of predictions.

    Example:
        >>> scores = LabelScores(classes=14)
        >>> scores.update(logits, labels)
        >>> scores.result()["mean_auroc"]["value"]
    """

    def __init__(
        self, classes: int, thresholds: dict[int, float] | None = None
    ):
        """Starts without a prediction.

        Args:
            classes: Number of classes.
            thresholds: By class id, a probability that was chosen on other
                photos, for the classes that have one.
        """
        self._classes = classes
        self._thresholds = thresholds or {}
        # All predictions are kept: a rank is known at the end.
        self._logits, self._labels = [], []

    def update(self, logits: np.ndarray, labels: np.ndarray) -> None:
        """Adds a batch.

        Args:
            logits: (batch, classes).
            labels: Which classes a photo shows, 0 or 1 (batch, classes), or
                the only one that it shows, class ids (batch,).
        """
        self._logits.append(np.asarray(logits))
        self._labels.append(shown_classes(labels, self._classes))

    def result(self) -> dict:
        """The scores of all batches so far, as JSON-ready values.

        Returns:
            `count`; `per_class`, what `binary_scores` gives, by class id; and
            over the classes the means of `loss`, `brier_score` and calibration
            errors, and as `mean_auroc` and `mean_average_precision` the mean
            `value` over those `num_classes` classes of which there are photos
            with and without them (`None` over no class).

        Raises:
            ValueError: If no batch was added.
        """
        if not self._logits:
            raise ValueError("Scores need at least one example. Received: 0")
        logits = np.concatenate(self._logits)
        labels = np.concatenate(self._labels)
        per_class = [
            binary_scores(
                logits[:, index], labels[:, index], self._thresholds.get(index)
            )
            for index in range(self._classes)
        ]
        areas = [s["auroc"]["value"] for s in per_class if s["auroc"]]
        precisions = [
            s["average_precision"]
            for s in per_class
            if s["average_precision"] is not None
        ]
        return {
            "count": len(logits),
            "mean_auroc": _mean(areas),
            "mean_average_precision": _mean(precisions),
            **{
                key: float(np.mean([s[key] for s in per_class]))
                for key in _MEANS
            },
            "per_class": per_class,
        }


def shown_classes(labels: np.ndarray, classes: int) -> np.ndarray:
    """Which classes a photo shows, whatever the form of the labels.

    Args:
        labels: 0 or 1, (batch, classes), or class ids, (batch,).
        classes: Number of classes.

    Returns:
        Bool (batch, classes).
    """
    if labels.ndim == 1:
        return labels[:, None] == np.arange(classes)
    return labels.astype(bool)


def _mean(values) -> dict:
    mean = float(np.mean(values)) if values else None
    return {"value": mean, "num_classes": len(values)}
