"""How much does each class weigh in the loss?"""

import math

import ml_collections
import numpy as np

from bagnet_tf.datasets import ImageSource

_BALANCED = "balanced"


def weights_of_classes(
    config: ml_collections.ConfigDict, source: ImageSource
) -> tuple[float, ...]:
    """What `config.class_weights` means for a source.

    `"balanced"` counts the training split. Under a softmax head all classes
    then weigh as much together: examples / (classes x examples of the class).
    Under a sigmoid head the examples that have a class weigh as much as those
    that have not: examples without / examples with it.

    Args:
        config: See `train/configs`.
        source: Where the photos come from.

    Returns:
        A weight of each class, by its id; none where all are 1.

    Raises:
        ValueError: If they are neither `"balanced"` nor positive numbers, one
            a class; or the training split lacks what has to be balanced.
    """
    wanted = config.class_weights
    # On a command line a word is a tuple of one.
    if wanted in (_BALANCED, (_BALANCED,)):
        return _balanced(config, source)
    classes = len(source.labels)
    if isinstance(wanted, str) or (
        wanted
        and not (len(wanted) == classes and all(map(_is_positive, wanted)))
    ):
        raise ValueError(
            f"config.class_weights must be 'balanced', {classes} positive "
            "numbers, one a class, or (). "
            f"Received: config.class_weights={wanted!r}"
        )
    return tuple(map(float, wanted))


def _balanced(config, source):
    split = config.train_split
    counts = np.asarray(source.label_counts(split), np.float64)
    total = source.num_examples(split)
    lacking = counts == 0
    if config.head == "sigmoid":
        lacking |= counts == total
    if lacking.any():
        named = [source.labels[index] for index in np.flatnonzero(lacking)]
        also = ", and examples without" if config.head == "sigmoid" else ""
        raise ValueError(
            f"config.class_weights='balanced' needs examples of every class"
            f"{also} in {split!r}. Received: dataset={source.name!r}, which "
            f"lacks them for {', '.join(map(repr, named))}"
        )
    if config.head == "sigmoid":
        return tuple(((total - counts) / counts).tolist())
    return tuple((total / (len(counts) * counts)).tolist())


def _is_positive(value) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 < value < math.inf
    )
