"""Which classes does a model name? The best ones of each image, in words."""

from collections.abc import Sequence

import numpy as np

from bagnet_tf.datasets.labels import imagenet_labels


def decode_predictions(
    predictions: np.ndarray,
    top: int = 5,
    labels: Sequence[str] | None = None,
) -> list[list[tuple[str | int, str, float]]]:
    """Returns the classes of highest score for each image.

    Differs from `keras.applications.*.decode_predictions` in three ways: the
    names come with this package instead of a download, and read as English
    ("great white shark" instead of "great_white_shark"; where several classes
    share a name there, they were told apart); scores are put out as they came
    in, so that logits stay logits; and classes need not be ImageNet's.

    Args:
        predictions: Logits or probabilities, (batch, classes).
        top: How many classes to return; all of them if there are fewer.
        labels: Class names by class id; by default the 1000 of ImageNet.

    Returns:
        For each image a list of (class id, name, score), best first. The
        class id is the WordNet id for ImageNet's classes, for example
        "n01484850", and the index of the class where `labels` are given.

    Raises:
        ValueError: If `predictions` are no finite numbers of that shape, or
            `top` or the number of labels is wrong.

    Example:
        >>> model = bagnet_tf.BagNet33(weights="imagenet")
        >>> bagnet_tf.decode_predictions(model.predict(images), top=1)[0]
        [('n01484850', 'great white shark', 11.5)]
    """
    names = tuple(imagenet_labels().items())
    if labels is not None:
        names = tuple(enumerate(labels))
    try:
        scores = np.asarray(predictions, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"predictions must be numbers. Received: predictions={predictions}"
        ) from error
    if scores.ndim != 2 or scores.shape[1] != len(names):
        raise ValueError(
            f"predictions must have the shape (batch, {len(names)}), a score "
            "for each label (by default those of ImageNet). "
            f"Received: predictions of shape {scores.shape}"
        )
    if not np.isfinite(scores).all():
        raise ValueError(
            f"predictions must be finite. Received: predictions={scores!r}"
        )
    if not isinstance(top, int) or top < 1:
        raise ValueError(
            f"top must be a positive integer. Received: top={top!r}"
        )
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    return [
        [(*names[index], float(row[index])) for index in ids]
        for row, ids in zip(scores, best, strict=True)
    ]
