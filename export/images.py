"""On which images is an export calibrated and verified?"""

import functools

import numpy as np
import tensorflow as tf

from bagnet_tf.commands.flag_mistakes import named_by
from bagnet_tf.datasets import image_source
from bagnet_tf.preprocessing import evaluation_image
from bagnet_tf.tensorflow_files import dataset_errors_named

from .request import Images

# Patch logits of 8 photos and 1000 classes take 18 MB.
_BATCH_SIZE = 8


def real_images(
    dataset: str,
    split: str,
    data_dir: str | None,
    num_images: int,
    channels: int = 3,
    purpose: str = "verification",
) -> Images:
    """The first images of a dataset, as the model takes them, in batches.

    Args:
        dataset: Name of an image source, such as `"glyphs"`.
        split: Its split, such as `"validation"`.
        data_dir: The folder of TFDS datasets.
        num_images: How many images to take.
        channels: Of the model's input.
        purpose: What for; errors name the flags so.

    Returns:
        A function of a size (height, width), pixels, that iterates over the
        images, uint8 (batch, *size, channels), from the first one each time.
        It raises a ValueError at an image that cannot be decoded.

    Raises:
        ValueError: If there is no such dataset or split, or it has fewer
            images or other channels.

    Example:
        >>> images = real_images("glyphs", "validation", None, 64)
        >>> first = next(iter(images((224, 224))))
    """
    name = f"num_{purpose}_images"
    if num_images < 1:
        raise ValueError(
            f"{name} must be at least 1. Received: {name}={num_images}"
        )
    with named_by(f"{purpose}_dataset"):
        source = image_source(dataset, data_dir, channels=channels)
        available = source.num_examples(split)
    if available < num_images:
        raise ValueError(
            f"{name} must be at most {available}, the size of {dataset!r}, "
            f"split {split!r}. Received: {name}={num_images}"
        )
    examples = source.undecoded(split).take(num_images)
    prepare = functools.partial(
        _prepare, tf.function(source.decode), f"{purpose}_dataset"
    )
    return functools.partial(_batches, source.name, examples, prepare)


def _batches(dataset, examples, prepare, image_size):
    batch = []
    with dataset_errors_named(dataset, decodes=True):
        for example in examples:
            batch.append(prepare(example, image_size))
            if len(batch) == _BATCH_SIZE:
                yield np.stack(batch)
                batch = []
    if batch:
        yield np.stack(batch)


def _prepare(decode, flag, example, image_size):
    try:
        image = decode(example["image"])
    except tf.errors.InvalidArgumentError as error:
        name = example["id"].numpy().decode()
        raise ValueError(
            f"{flag} must hold readable images. Received: image={name!r}"
        ) from error
    return evaluation_image(image, image_size).numpy()
