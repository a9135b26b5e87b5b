"""What are the logits of images with windows of patches masked?

Training with them prepares a network for the defences that certify it (see
`bagnet_tf.certify`): less of a decision hangs on any one place.
"""

import tensorflow as tf

from bagnet_tf.certification import box_sums


def without_strongest_window(
    patch_logits: tf.Tensor, labels: tf.Tensor, window: tuple[int, int]
) -> tf.Tensor:
    """Means of positive evidence, the label's without its strongest window.

    What robust masking leaves of the true class in the worst case, but with
    the other classes whole.

    Args:
        patch_logits: Float32 (batch, rows, cols, classes).
        labels: One-hot, multi-hot or mixtures, float32 (batch, classes); in a
            mixture each class loses its part of its strongest window.
        window: (rows, cols) of the window, cells.

    Returns:
        Float32 (batch, classes).

    Source: Xiang et al., PatchGuard, USENIX Security 2021, provable
    adversarial training.
    """
    evidence = tf.nn.relu(patch_logits)
    strongest = tf.reduce_max(box_sums(evidence, window), axis=(1, 2))
    rows, cols = patch_logits.shape[1:3]
    return tf.reduce_mean(evidence, axis=(1, 2)) - labels * strongest / (
        rows * cols
    )


def without_random_windows(
    patch_logits: tf.Tensor, window: tuple[int, int], seed: tf.Tensor
) -> tf.Tensor:
    """Means of what is outside two windows, each anywhere on the grid.

    What double masking looks at, of one pair of windows an image.

    Args:
        patch_logits: Float32 (batch, rows, cols, classes).
        window: (rows, cols) of the windows, cells.
        seed: Int32 (2,); says which windows.

    Returns:
        Float32 (batch, classes); 0 where nothing is left.

    Source: after Xiang et al., PatchCleanser, USENIX Security 2022, who train
    with pairs of masks on the pixels.
    """
    batch = tf.shape(patch_logits)[0]
    draws = tf.random.stateless_uniform((2, 2, batch, 1), seed)
    inside = []
    for draw, cells, side in zip(
        tf.unstack(draws), patch_logits.shape[1:3], window, strict=True
    ):
        first = tf.floor(draw * (cells - side + 1))  # (2, batch, 1)
        place = tf.range(cells, dtype=tf.float32)
        inside.append((place >= first) & (place < first + side))
    hidden = inside[0][..., :, None] & inside[1][..., None, :]
    kept = tf.cast(~tf.reduce_any(hidden, axis=0), patch_logits.dtype)
    kept = kept[..., None]  # (batch, rows, cols, 1)
    return tf.math.divide_no_nan(
        tf.reduce_sum(kept * patch_logits, axis=(1, 2)),
        tf.reduce_sum(kept, axis=(1, 2)),
    )
