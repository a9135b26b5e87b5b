"""Can a configuration be trained on this source, with so many replicas?"""

import ml_collections

from bagnet_tf.architecture import ARCHITECTURES
from bagnet_tf.certification import window_shape
from bagnet_tf.datasets import ImageSource
from bagnet_tf.datasets.classes import check_labels

from .objective import MASKED_TRAINING
from .pipeline import training_sizes
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
            f"answers. Received: config.dataset={config.dataset!r}"
        )
    if config.head == "softmax" and classes < 2:
        raise ValueError(
            "config.head must be 'sigmoid' for a single class: a softmax of "
            "one is always 1. "
            f"Received: config.head={config.head!r} with the class "
            f"{', '.join(source.labels)}"
        )
    parts = replicas * config.accumulation_steps
    if parts < 1 or config.batch_size % parts:
        raise ValueError(
            "config.batch_size must be a multiple of the number of "
            f"replicas, {replicas}, times config.accumulation_steps, "
            f"{config.accumulation_steps}. "
            f"Received: config.batch_size={config.batch_size}"
        )
    if config.precision not in PRECISIONS:
        raise ValueError(
            f"config.precision must be one of {', '.join(PRECISIONS)}. "
            f"Received: config.precision={config.precision!r}"
        )
    if config.masked_training:
        _check_masking(config)
    if config.steps_per_call < 1:
        raise ValueError(
            "config.steps_per_call must be at least 1. "
            f"Received: config.steps_per_call={config.steps_per_call}"
        )
    if not 0 <= config.seed < 2**32:
        raise ValueError(
            "config.seed must be in [0, 2**32). "
            f"Received: config.seed={config.seed}"
        )


def _check_masking(config) -> None:
    if config.masked_training not in MASKED_TRAINING:
        raise ValueError(
            "config.masked_training must be empty or one of "
            f"{', '.join(MASKED_TRAINING)}. "
            f"Received: config.masked_training={config.masked_training!r}"
        )
    if config.architecture not in ARCHITECTURES:
        raise ValueError(
            "config.masked_training needs an architecture with patches, one "
            f"of {', '.join(ARCHITECTURES)}. "
            f"Received: config.architecture={config.architecture!r}"
        )
    geometry = ARCHITECTURES[config.architecture].geometry
    for size in sorted(set(training_sizes(config))):
        grid_shape = geometry.grid_shape(size, size)
        window = window_shape(config.masked_patch_size, geometry, grid_shape)
        if window == grid_shape:
            raise ValueError(
                "config.masked_patch_size must leave something of the training "
                f"crops: of {size} pixels a patch reaches all "
                f"{grid_shape[0]}x{grid_shape[1]} cells. Received: "
                f"{config.masked_patch_size}"
            )
