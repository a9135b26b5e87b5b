"""How do the images of a split reach a network that is evaluated?"""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from bagnet_tf.datasets.base import ImageSource
from bagnet_tf.datasets.corrupt import corrupt_images
from bagnet_tf.preprocessing import decode_image, evaluation_image
from bagnet_tf.tensorflow_files import dataset_errors_named


@contextlib.contextmanager
def corrupt_images_named(source: ImageSource, split: str) -> Iterator[None]:
    """Turns a failure to decode into an error that names the image.

    Raises:
        ValueError: If a batch of `split`, drawn within, holds an image that
            cannot be decoded, or a file of the dataset is missing or damaged.
    """
    try:
        with dataset_errors_named(source.name, decodes=True):
            yield
    except tf.errors.InvalidArgumentError as error:
        image = next(corrupt_images(source, split), None)
        if image is None:
            raise
        raise ValueError(
            f"dataset {source.name!r} must hold readable images; "
            "--skip_corrupt goes without the others. "
            f"Received: image={image!r}"
        ) from error


def evaluation_batches(
    source: ImageSource,
    split: str,
    image_size: tuple[int, int],
    batch_size: int,
) -> tf.data.Dataset:
    """A split in its own order under the evaluation transform.

    Returns:
        A dataset of dicts: `image`, uint8 (batch, height, width, channels);
        `label`, int64 (batch,), or as the source has it multi-hot, float32
        (batch, classes); `id`, strings (batch,); and, where the source has
        masks, `mask`, bool (batch, height, width). The last batch may be
        smaller.
    """

    def prepared(example):
        batch = {
            "image": evaluation_image(decoded(example["image"]), image_size),
            "label": example["label"],
            "id": example["id"],
        }
        if source.has_masks:
            mask = tf.cast(example["mask"], tf.uint8)[..., None] * 255
            mask = evaluation_image(tf.repeat(mask, 3, axis=-1), image_size)
            batch["mask"] = mask[..., 0] >= 128
        return batch

    return (
        source.dataset(split)
        .map(prepared, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(batch_size)
        .prefetch(tf.data.AUTOTUNE)
    )


def decoded(image: tf.Tensor) -> tf.Tensor:
    """Decodes the `image` of an example; passes what is pixels already."""
    return decode_image(image) if image.dtype == tf.string else image
