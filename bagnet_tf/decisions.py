"""What does a model decide about an image? Classes, thresholds, in words.

A class that has a threshold is taken to be there if its probability is at
least that high. Thresholds are *operating thresholds*, fitted on held-out
photos and kept with the model; a class of a sigmoid head without one has 0.5.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bagnet_tf.heads import probabilities_of

_EVEN_ODDS = 0.5


@dataclasses.dataclass(frozen=True)
class Decision:
    """Whether one class is taken to be there.

    Attributes:
        probability: Of the class.
        threshold: A probability.
        operating: Whether the threshold is an operating threshold; if not, it
            is 0.5.
    """

    probability: float
    threshold: float
    operating: bool

    @property
    def above(self) -> bool:
        """Whether the class is taken to be there."""
        return self.probability >= self.threshold

    @property
    def compared(self) -> str:
        """For example "0.391 ≥ 0.37": the probability and the threshold."""
        sign = "≥" if self.above else "<"
        return f"{self.probability:.3f} {sign} {self.threshold:.3g}"

    def __str__(self) -> str:
        """For example "above the operating threshold 0.37"."""
        side = "above" if self.above else "below"
        kind = "operating threshold" if self.operating else "threshold"
        return f"{side} the {kind} {self.threshold:.3g}"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a model says of one image.

    Attributes:
        class_ids: The classes that it names, most probable first: one of a
            softmax head, any number of a sigmoid head.
        decisions: By class id, of the classes that have a threshold.
        title: The classes in words.
        detail: How probable they are, and which threshold decided.
    """

    class_ids: tuple[int, ...]
    decisions: Mapping[int, Decision]
    title: str
    detail: str


def thresholds_of(metrics: Mapping[str, Any], classes: int) -> dict[int, float]:
    """The operating thresholds among a model's metrics.

    Args:
        metrics: Those of `ModelInfo`, or of an export's metadata.
        classes: Number of classes of the model.

    Returns:
        By class id, of the classes that have one.

    Raises:
        ValueError: If the metrics hold something else as `operating_points`.
    """
    points = metrics.get("operating_points") or ()
    try:
        found = {p["class_id"]: p["threshold"] for p in points}
        class_ids, thresholds = list(found), list(found.values())
        valid = set(class_ids) <= set(range(classes)) and all(
            isinstance(t, int | float) and 0 <= t <= 1 for t in thresholds
        )
    except (TypeError, KeyError):
        valid = False
    if not valid:
        raise ValueError(
            "operating_points among a model's metrics must be objects with "
            f"a class_id below {classes} and a threshold within 0 and 1. "
            f"Received: {points!r}"
        )
    return found


def verdict_of(
    logits: np.ndarray,
    head: str,
    labels: Sequence[str],
    thresholds: Mapping[int, float],
) -> Verdict:
    """Decides about one image.

    A softmax head names its most probable class; where some of its classes
    have a threshold, the most probable one of those above, or if there is
    none, of those that have none.

    Args:
        logits: (classes,).
        head: `"softmax"` or `"sigmoid"`.
        labels: Class names, by class id.
        thresholds: Operating thresholds, by class id: `ModelInfo.thresholds`.

    Returns:
        A `Verdict`.

    Example:
        >>> logits = np.array([2.0, 1.0])
        >>> verdict_of(logits, "softmax", ["good", "broken"], {1: 0.2}).title
        'broken'
    """
    # In float64, as thresholds were fitted.
    found = probabilities_of(np.asarray(logits, np.float64), head).tolist()
    decisions = {
        class_id: Decision(
            probability,
            thresholds.get(class_id, _EVEN_ODDS),
            class_id in thresholds,
        )
        for class_id, probability in enumerate(found)
        if head == "sigmoid" or class_id in thresholds
    }
    # By logits: where probabilities round to 1, they still differ.
    ranked = np.argsort(-np.asarray(logits), kind="stable").tolist()
    above = [i for i in ranked if i in decisions and decisions[i].above]
    if head == "sigmoid":
        words = _of_sigmoid(ranked, above, decisions, labels)
        return Verdict(tuple(above), decisions, *words)
    others = [i for i in ranked if i not in decisions]
    named = (above or others or ranked)[0]
    detail = f"p = {found[named]:.3f}"
    if named in decisions:
        detail += f", {decisions[named]}"
    elif decisions:
        # Why it is not the class that was asked for.
        asked = max(decisions, key=lambda i: decisions[i].probability)
        detail += f"  ·  {labels[asked]}: {_with_probability(decisions[asked])}"
    return Verdict((named,), decisions, labels[named], detail)


def _of_sigmoid(ranked, above, decisions, labels) -> tuple[str, str]:
    """Title and detail."""
    best = decisions[ranked[0]]
    if len(ranked) == 1:
        title = labels[0] if above else f"not {labels[0]}"
        return title, _with_probability(best)
    if not above:
        title = f"none of the {len(ranked)} classes"
        detail = f"most probable {labels[ranked[0]]}: {_with_probability(best)}"
        return title, detail
    values = ", ".join(f"{decisions[i].probability:.3f}" for i in above)
    detail = f"p = {values}, above the threshold of the class"
    if len(above) == 1:
        detail = _with_probability(decisions[above[0]])
    return ", ".join(labels[i] for i in above), detail


def _with_probability(decision: Decision) -> str:
    return f"p = {decision.probability:.3f}, {decision}"
