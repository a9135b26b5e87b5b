"""How well does one logit tell yes from no? Ranking, calibration, operation.

A photo is called a yes where its probability is *at least* the threshold.
"""

import math
from collections.abc import Sequence

import numpy as np

from bagnet_tf.heads import probabilities_of
from bagnet_tf.intervals import auroc_interval, rate
from bagnet_tf.ranking import auroc, average_precision

from .calibration import calibration_errors

SPECIFICITY = 0.9  # That thresholds are made for.


def binary_scores(
    logits: np.ndarray, positive: np.ndarray, threshold: float | None = None
) -> dict:
    """Scores of one logit, of which the sigmoid is the probability of yes.

    Args:
        logits: (count,).
        positive: Which photos are a yes, bool (count,).
        threshold: A probability that was chosen on other photos, if any.

    Returns:
        JSON-ready: `positives` and `negatives`, the numbers of photos;
        `loss`, mean cross-entropy, nats; `brier_score`, mean squared error of
        the probability, 0 to 1; `expected_calibration_error` and
        `equal_mass_calibration_error` of the probability of yes; `auroc`, with
        its 95 % interval; `average_precision`; `at_fixed_specificity`, the
        sensitivity with the smallest threshold that has the `specificity` 0.9
        on these photos; and, with a threshold, `at_operating_threshold`:
        sensitivity and specificity with it. Rates have 95 % Wilson intervals;
        what no photo tells is `None`.
    """
    logits = np.asarray(logits, np.float64)
    positive = np.asarray(positive, bool)
    probabilities = probabilities_of(logits, "sigmoid")
    positives, negatives = int(positive.sum()), int((~positive).sum())
    losses = np.logaddexp(0, logits) - positive * logits
    scores = {
        "positives": positives,
        "negatives": negatives,
        "loss": float(losses.mean()),
        "brier_score": float(np.square(probabilities - positive).mean()),
        **calibration_errors(probabilities, positive),
        "auroc": None,
        "average_precision": None,
        "at_fixed_specificity": None,
    }
    if positives and negatives:
        # Of logits: where probabilities round to 1, they still differ.
        area = auroc(logits, positive)
        scores["auroc"] = {
            "value": area,
            "interval95": list(auroc_interval(area, positives, negatives)),
        }
        scores["average_precision"] = average_precision(logits, positive)
        fitted = fit_threshold(probabilities[~positive])
        scores["at_fixed_specificity"] = {
            "specificity": SPECIFICITY,
            "threshold": fitted,
            "sensitivity": _share(probabilities[positive] >= fitted),
        }
    if threshold is not None:
        scores["at_operating_threshold"] = {
            "threshold": threshold,
            "sensitivity": _share(probabilities[positive] >= threshold),
            "specificity": _share(probabilities[~positive] < threshold),
        }
    return scores


def fit_threshold(negatives: np.ndarray) -> float:
    """The smallest threshold with the specificity 0.9.

    Args:
        negatives: Probabilities of yes of photos that are a no, (count,), at
            least one.

    Returns:
        A probability: just above that of the last photo that has to be below.
    """
    below = math.ceil(SPECIFICITY * len(negatives))
    return float(np.nextafter(np.sort(negatives)[below - 1], 1.0))


def fit_operating_points(
    logits: np.ndarray,
    positive: np.ndarray,
    class_ids: Sequence[int],
    labels: Sequence[str],
) -> list[dict]:
    """A threshold for each class, from photos that nothing was trained on.

    Args:
        logits: (count, classes), of which sigmoids are probabilities.
        positive: Where a photo shows a class, bool (count, classes).
        class_ids: What these classes are called in the model.
        labels: And in words.

    Returns:
        JSON-ready, for each class that some photo does not show: `class_id`,
        `label`, `threshold` (see `fit_threshold`) and the `specificity` that
        it was fitted for.
    """
    probabilities = probabilities_of(np.asarray(logits, np.float64), "sigmoid")
    return [
        {
            "class_id": class_id,
            "label": label,
            "threshold": fit_threshold(column[~is_yes]),
            "specificity": SPECIFICITY,
        }
        for class_id, label, column, is_yes in zip(
            class_ids, labels, probabilities.T, positive.T, strict=True
        )
        if not is_yes.all()
    ]


def _share(hits: np.ndarray) -> dict | None:
    return rate(int(hits.sum()), len(hits)) if len(hits) else None
