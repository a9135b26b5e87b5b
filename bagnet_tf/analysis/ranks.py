"""Where among a classifier's answers is the label of each photo?"""

import numpy as np

from bagnet_tf.analysis.classifiers import Classifier
from bagnet_tf.analysis.request import AnalysisRequest
from bagnet_tf.analysis.streaming import each_image


def label_ranks(
    request: AnalysisRequest, classifier: Classifier
) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and how many classes have as large a logit.

    Each classifier sees the photos at its own size.

    Returns:
        Class ids, int (images,), and ranks, int (images,): 0 where the label
        has the largest logit alone; equal logits count against the label.
    """

    def compute(batch):
        logits = classifier.logits(batch["image"])
        return ranks_of(logits, batch["label"])

    name = f"ranks of {classifier.name}"
    found = each_image(request, name, compute, classifier.image_size)
    labels, ranks = np.array(found, int).T
    return labels, ranks


def ranks_of(logits: np.ndarray, labels: np.ndarray) -> list[tuple[int, int]]:
    """(label, rank of its logit) of each image.

    Args:
        logits: (batch, classes).
        labels: (batch,).

    Raises:
        ValueError: If a logit is no number: it has no rank.
    """
    if not np.isfinite(logits).all():
        raise ValueError("a classifier must give finite logits")
    own = np.take_along_axis(logits, labels[:, None], axis=-1)
    ranks = np.count_nonzero(logits >= own, axis=-1) - 1
    return [
        (int(label), int(rank))
        for label, rank in zip(labels, ranks, strict=True)
    ]
