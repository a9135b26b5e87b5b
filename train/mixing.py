"""How are two photos made one? MixUp and CutMix, on one- or multi-hot labels.

For local evidence they differ. CutMix leaves nearly every patch a patch of one
photo, and its labels say how much of the image each has: just what the mean of
patch logits can add up to. MixUp makes every patch a double exposure, which no
photo has.
"""

import ml_collections
import tensorflow as tf


def mixed(
    images: tf.Tensor,
    labels: tf.Tensor,
    seed: tf.Tensor,
    config: ml_collections.ConfigDict,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mixes each photo of a batch with its neighbour.

    How much of the photo stays is drawn for each from Beta(a, a), where a is
    `config.mixup` or `config.cutmix`; where both are given, a coin decides
    for the batch.

    Args:
        images: uint8 (batch, height, width, channels).
        labels: float32 (batch, classes).
        seed: Two integers, (2,).
        config: See `train/configs`.

    Returns:
        Images and labels like the arguments.

    Source: Zhang et al. 2018 (MixUp), Yun et al. 2019 (CutMix).
    """
    coin = tf.random.stateless_uniform((), seed)
    seed += [0, 1 << 32]  # Beyond the seeds of all other batches.
    if config.mixup and config.cutmix:
        return tf.cond(
            coin < 0.5,
            lambda: _mixup(images, labels, _beta(labels, config.mixup, seed)),
            lambda: _cutmix(
                images, labels, _beta(labels, config.cutmix, seed), seed
            ),
        )
    if config.mixup:
        return _mixup(images, labels, _beta(labels, config.mixup, seed))
    return _cutmix(images, labels, _beta(labels, config.cutmix, seed), seed)


def _beta(labels, concentration, seed):
    """A random share of each photo, (batch,)."""
    shape = [2, tf.shape(labels)[0]]
    one, other = tf.unstack(
        tf.random.stateless_gamma(shape, seed, alpha=concentration)
    )
    return tf.math.divide_no_nan(one, one + other)


def _mixup(images, labels, share):
    pixels = tf.cast(images, tf.float32)
    mixture = _blend(pixels, share[:, None, None, None])
    images = tf.cast(tf.round(mixture), images.dtype)
    return images, _blend(labels, share[:, None])


def _cutmix(images, labels, share, seed):
    """Puts a rectangle of the neighbour into each photo."""
    height, width = tf.shape(images)[1], tf.shape(images)[2]
    side = tf.sqrt(1 - share)
    middles = tf.random.stateless_uniform([2, tf.shape(share)[0]], seed + 1)
    rows = _within(height, middles[0], side)
    cols = _within(width, middles[1], side)
    cut = rows[:, :, None] & cols[:, None, :]
    images = tf.where(cut[..., None], _neighbours(images), images)
    # At the rim less is cut than was drawn.
    share = 1 - tf.reduce_mean(tf.cast(cut, tf.float32), axis=(1, 2))
    return images, _blend(labels, share[:, None])


def _within(size, middle, side):
    """Which of `size` pixels lie in a span about `middle`, (batch, size)."""
    places = (tf.range(size, dtype=tf.float32) + 0.5) / tf.cast(
        size, tf.float32
    )
    return tf.abs(places - middle[:, None]) < side[:, None] / 2


def _blend(values, share):
    return share * values + (1 - share) * _neighbours(values)


def _neighbours(values):
    return tf.roll(values, 1, axis=0)
