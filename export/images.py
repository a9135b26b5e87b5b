"""On which images is an export verified?"""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from bagnet_tf.datasets import image_source
from bagnet_tf.preprocessing import decode_image, evaluation_image

# Patch logits of 8 photos and 1000 classes take 18 MB.
_BATCH_SIZE = 8


def verification_images(
    dataset: str,
    split: str,
    data_dir: str | None,
    num_images: int,
    image_size: tuple[int, int],
    channels: int = 3,
) -> Iterator[np.ndarray]:
    """The first images of a dataset, as the model takes them, in batches.

    Args:
        dataset: Name of an image source, such as `"glyphs"`.
        split: Its split, such as `"validation"`.
        data_dir: The folder of TFDS datasets.
        num_images: How many images to take.
        image_size: (height, width) of the model's input, pixels.
        channels: Of the model's input.

    Returns:
        An iterator of images, uint8 (batch, *image_size, channels). It raises a
        ValueError at an image that cannot be decoded.

    Raises:
        ValueError: If there is no such dataset or split, or it has fewer
            images or other channels.

    Example:
        >>> batches = verification_images(
        ...     "glyphs", "validation", None, 64, (224, 224)
        ... )
    """
    if num_images < 1:
        raise ValueError(
            "num_verification_images must be at least 1. "
            f"Received: num_verification_images={num_images}"
        )
    source = image_source(dataset, data_dir, channels=channels)
    available = source.num_examples(split)
    if available < num_images:
        raise ValueError(
            f"num_verification_images must be at most {available}, the size "
            f"of {dataset!r}, split {split!r}. "
            f"Received: num_verification_images={num_images}"
        )
    return _batches(source.dataset(split).take(num_images), image_size)


def _batches(examples, image_size):
    batch = []
    for example in examples:
        batch.append(_prepare(example, image_size))
        if len(batch) == _BATCH_SIZE:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)


def _prepare(example, image_size):
    image = example["image"]
    try:
        if image.dtype == tf.string:
            image = decode_image(image)
    except tf.errors.InvalidArgumentError as error:
        name = example["id"].numpy().decode()
        raise ValueError(
            "verification_dataset must hold readable images. "
            f"Received: image={name!r}"
        ) from error
    return evaluation_image(image, image_size).numpy()
