"""Do two classifiers find the same classes, and the same photos, difficult?

The paper (section 4.3, figure 6 [recalled, not read]): a scatter of class-wise
top-5 accuracy, BagNet-33 against VGG-16, ResNet-152 and DenseNet-169.

Differences: any classifiers; top-k for any k (the paper's is
`--top_k=5`); beside the correlation of classes, error consistency of photos:
Cohen's kappa of the two vectors "right or wrong", against the agreement that
the two accuracies alone would give (Geirhos et al., NeurIPS 2020), with a
bootstrapped interval.
"""

import numpy as np

from bagnet_tf.analysis.correlation import pearson
from bagnet_tf.analysis.ranks import label_ranks
from bagnet_tf.analysis.request import AnalysisRequest
from bagnet_tf.analysis.result import Result
from bagnet_tf.figures import Chart, Panel, Series
from bagnet_tf.intervals import rate

_BOOTSTRAP = 1000
_MOST_NAMES = 20  # Of classes in the figure.


def run(request: AnalysisRequest) -> Result:
    """Compares the model's errors with those of the others."""
    classes, top_k = len(request.source.labels), request.options["top_k"]
    if top_k >= classes:
        raise ValueError(
            f"top_k must be less than the {classes} classes. "
            f"Received: top_k={top_k}"
        )
    right = {}
    for classifier in request.classifiers:
        labels, ranks = label_ranks(request, classifier)
        right[classifier.name] = ranks < top_k
    by_class = {
        name: _class_accuracy(labels, values, classes)
        for name, values in right.items()
    }
    own = request.classifier.name
    rng = np.random.default_rng(request.seed)
    compared = {
        other.name: {
            "class_correlation": pearson(by_class[own], by_class[other.name]),
            **_photo_agreement(right[own], right[other.name], rng),
        }
        for other in request.compare
    }
    summary = {
        "num_images": len(labels),
        "top_k": top_k,
        "accuracy": {
            name: rate(int(values.sum()), len(values))
            for name, values in right.items()
        },
        "compared": compared,
    }
    rows = [
        {"class": label, "photos": int((labels == class_id).sum())}
        | {name: values[class_id] for name, values in by_class.items()}
        for class_id, label in enumerate(request.source.labels)
    ]
    figure = _figure(request, by_class, compared)
    return Result({"": figure}, rows, summary)


def error_consistency(one: np.ndarray, other: np.ndarray) -> float | None:
    """Cohen's kappa of two classifiers' being right.

    Args:
        one: Where the first is right, bool (images,).
        other: Where the second is.

    Returns:
        1 if they are right and wrong on the same photos, 0 if they agree as
        often as their accuracies alone would make them, negative if less;
        `None` where these leave no room to agree more (both always right or
        both always wrong).

    Source: Geirhos, Meding & Wichmann, NeurIPS 2020, equations 1 and 2.
    """
    observed = np.mean(one == other)
    first, second = np.mean(one), np.mean(other)
    expected = first * second + (1 - first) * (1 - second)
    if expected == 1:
        return None
    return float((observed - expected) / (1 - expected))


def _class_accuracy(labels, right, classes) -> list[float | None]:
    """`None` for a class that the split does not show."""
    found = [right[labels == class_id] for class_id in range(classes)]
    return [float(np.mean(part)) if part.size else None for part in found]


def _photo_agreement(one, other, rng) -> dict:
    """Kappa with its interval, and how often both are right or wrong."""
    count = len(one)
    samples = []
    for _ in range(_BOOTSTRAP):
        chosen = rng.integers(count, size=count)
        kappa = error_consistency(one[chosen], other[chosen])
        if kappa is not None:
            samples.append(kappa)
    interval = np.percentile(samples, (2.5, 97.5)).tolist() if samples else None
    return {
        "kappa": error_consistency(one, other),
        "kappa_interval95": interval,
        "both_right": int((one & other).sum()),
        "only_the_model": int((one & ~other).sum()),
        "only_the_other": int((other & ~one).sum()),
        "both_wrong": int((~one & ~other).sum()),
    }


def _figure(request, by_class, compared) -> Chart:
    own, top_k = request.classifier, request.options["top_k"]
    labels = request.source.labels
    named = len(labels) <= _MOST_NAMES
    panels = []
    for other in request.compare:
        found = compared[other.name]
        points = Series(
            by_class[own.name],
            by_class[other.name],
            kind="points",
            names=labels if named else (),
        )
        panels.append(
            Panel(
                f"{other.title}: r = {_number(found['class_correlation'])}, "
                f"kappa = {_number(found['kappa'])}",
                f"{own.title}: top-{top_k} accuracy of a class",
                f"{other.title}: top-{top_k} accuracy of a class",
                [points, Series([], [], kind="diagonal", colour=-1)],
                percent="xy",
            )
        )
    return Chart(
        f"Errors of {own.title} and of others, {request.source.name}",
        panels,
        note=f"{request.num_images} photos of {request.split}; a point is a "
        "class. r: Pearson's correlation over classes. kappa: Cohen's, of "
        "being right on the same photos; 0 is what their accuracies alone "
        "would give.",
    )


def _number(value) -> str:
    return "–" if value is None else f"{value:.2f}"
