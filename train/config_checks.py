"""Can a configuration be trained on this source, with so many replicas?"""

import ml_collections

from bagnet_tf.datasets import ImageSource
from bagnet_tf.datasets.classes import check_labels

from .step import PRECISIONS


def check_config(
    config: ml_collections.ConfigDict, source: ImageSource, replicas: int
) -> None:
    """Refuses what would fail later, or train something else.

    Args:
        config: See `train/configs`.
        source: Where the photos come from.
        replicas: On how many devices.

    Raises:
        ValueError: If a value is out of its range, a split is unknown, or head
            and labels do not fit.
    """
    for split in (config.holdout_split, config.eval_split):
        source.num_examples(split)
    classes = len(source.labels)
    check_labels(source, config.head, classes)
    if source.any_of:
        raise ValueError(
            "config.dataset must have labels to train on, not sets of right "
            f"answers. Received: {config.dataset!r}"
        )
    if config.head == "softmax" and classes < 2:
        raise ValueError(
            "config.head must be 'sigmoid' for a single class: a softmax of "
            f"one is always 1. Received: {config.head!r} with classes "
            f"{list(source.labels)}"
        )
    parts = replicas * config.accumulation_steps
    if parts < 1 or config.batch_size % parts:
        raise ValueError(
            "config.batch_size must be a multiple of the number of "
            f"replicas, {replicas}, times config.accumulation_steps, "
            f"{config.accumulation_steps}. Received: {config.batch_size}"
        )
    if config.precision not in PRECISIONS:
        raise ValueError(
            f"config.precision must be one of {', '.join(PRECISIONS)}. "
            f"Received: {config.precision!r}"
        )
    if config.steps_per_call < 1:
        raise ValueError(
            "config.steps_per_call must be at least 1. "
            f"Received: {config.steps_per_call}"
        )
