"""How do photos reach the network? Input pipelines as pure functions.

What a training step sees depends on (seed, epoch, step) alone, so a run that
was stopped anywhere goes on with the same batches.
"""

import ml_collections
import tensorflow as tf

from bagnet_tf.datasets import ImageSource
from bagnet_tf.datasets.batches import decoded
from bagnet_tf.preprocessing import evaluation_image

from .mixing import mixed

# Encoded images held for shuffling. TFDS stores its examples in random order,
# so larger datasets are mixed well enough within this window.
_SHUFFLE_BUFFER = 16_384
_MOST_EPOCHS = 1 << 20  # So that no two pairs (seed, epoch) share an order.


def steps_per_epoch(
    source: ImageSource, config: ml_collections.ConfigDict
) -> int:
    """Number of whole batches in the training split; the rest is dropped.

    Raises:
        ValueError: If a batch is larger than the split.
    """
    count = source.num_examples(config.train_split)
    if not 1 <= config.batch_size <= count:
        raise ValueError(
            f"config.batch_size must be in [1, {count}], the size of "
            f"{config.train_split!r}. "
            f"Received: config.batch_size={config.batch_size}"
        )
    return count // config.batch_size


def training_sizes(config: ml_collections.ConfigDict) -> list[int]:
    """Side of the training crops in each epoch, pixels.

    `config.progressive_resizing` holds pairs (epoch, size): crops have that
    size until that many epochs are done, and at last `config.image_size`.

    Raises:
        ValueError: If its epochs do not increase within the training.
    """
    sizes, done = [], 0
    for epoch, size in config.progressive_resizing:
        if not done < epoch < config.epochs:
            raise ValueError(
                "config.progressive_resizing must be pairs (epoch, size) of "
                f"increasing epochs below config.epochs, {config.epochs}. "
                "Received: config.progressive_resizing="
                f"{config.progressive_resizing}"
            )
        sizes += [size] * (epoch - done)
        done = epoch
    return sizes + [config.image_size] * (config.epochs - done)


def training_batches(
    source: ImageSource,
    config: ml_collections.ConfigDict,
    epoch: int,
    first_step: int = 0,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """The batches of one epoch, shuffled and augmented.

    With several replicas each gets its own part of every global batch, and
    each worker decodes only the parts of its replicas.

    Args:
        source: Where the photos come from.
        config: A training configuration (see `train/configs`).
        epoch: Which epoch, from 0.
        first_step: The first batch of the epoch that is wanted.
        context: Of which worker, and how many replicas there are; by default
            one of one.

    Returns:
        A dataset of images, uint8 (batch, size, size, channels) with the
        epoch's size of `training_sizes`, and labels, one-hot or as the source
        has them multi-hot, float32 (batch, classes), where batch is the
        replica's share.
    """
    context = context or tf.distribute.InputContext()
    count = source.num_examples(config.train_split)
    side = training_sizes(config)[epoch]
    size = (side, side)

    def augmented(index, example):
        seed = tf.stack([config.seed, epoch * count + index])
        image = example["image"]
        if config.min_crop_area < 1:
            image = _random_resized_crop(image, size, seed, config)
        else:
            image = evaluation_image(decoded(image), size)
        if config.random_flip:
            image = tf.image.stateless_random_flip_left_right(image, seed)
        label = example["label"]
        if not source.multi_label:
            label = tf.one_hot(label, len(source.labels))
        return image, label

    examples = source.dataset(config.train_split).shuffle(
        min(count, _SHUFFLE_BUFFER),
        seed=config.seed * _MOST_EPOCHS + epoch,
        reshuffle_each_iteration=False,
    )
    examples = examples.enumerate().skip(first_step * config.batch_size)
    # Dropped here, as another worker may still have whole batches.
    examples = examples.take(
        (steps_per_epoch(source, config) - first_step) * config.batch_size
    )
    workers = context.num_input_pipelines
    if workers > 1:
        share = config.batch_size // workers
        examples = examples.filter(
            lambda index, _: (
                index % config.batch_size // share == context.input_pipeline_id
            )
        )
    batches = examples.map(augmented, num_parallel_calls=tf.data.AUTOTUNE)
    batches = batches.batch(
        config.batch_size // context.num_replicas_in_sync, drop_remainder=True
    )
    if config.mixup or config.cutmix:
        local = context.num_replicas_in_sync // workers

        def seed_of(number):
            """Of the `number`-th batch of this worker's replicas."""
            step = epoch * steps_per_epoch(source, config) + number // local
            replica = context.input_pipeline_id * local + number % local
            return tf.stack(
                [config.seed, step * context.num_replicas_in_sync + replica]
            )

        batches = batches.enumerate(first_step * local).map(
            lambda number, batch: mixed(*batch, seed_of(number), config),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    return batches.prefetch(tf.data.AUTOTUNE)


def _random_resized_crop(image, size, seed, config):
    """A random part of the image, resized; JPEGs are decoded there only."""
    encoded = image.dtype == tf.string

    def crop_of(shape):
        begin, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
            shape,
            bounding_boxes=tf.zeros((1, 0, 4)),
            seed=seed,
            min_object_covered=0.0,
            aspect_ratio_range=(3 / 4, 4 / 3),
            area_range=(config.min_crop_area, 1.0),
            use_image_if_no_bounding_boxes=True,
        )
        return begin, extent

    def from_jpeg():
        begin, extent = crop_of(tf.io.extract_jpeg_shape(image))
        window = tf.concat([begin[:2], extent[:2]], axis=0)
        return tf.image.decode_and_crop_jpeg(image, window, channels=3)

    def from_pixels():
        pixels = decoded(image)
        begin, extent = crop_of(tf.shape(pixels))
        return tf.slice(pixels, begin, extent)

    if encoded:
        crop = tf.cond(tf.io.is_jpeg(image), from_jpeg, from_pixels)
    else:
        crop = from_pixels()
    crop.set_shape((None, None, 3 if encoded else image.shape[-1]))
    resized = tf.image.resize(crop, size, antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)
