"""Double masking: do all pairs of masked windows leave the same decision?

Masking on the grid is subtraction, so every one- and two-window decision of
the network follows from one forward pass, on raw patch logits: a map added to
all classes changes none of them.

Source: Xiang et al., PatchCleanser, USENIX Security 2022, which masks pixels;
on the grid of a BagNet, Xiang et al., PatchCURE, USENIX Security 2024.
"""

import numpy as np
import tensorflow as tf

from bagnet_tf.certification.rounding import of_class, others_largest
from bagnet_tf.certification.windows import (
    box_sums,
    images_at_once,
    largest_outside,
)


def double_masked_decisions(
    patch_logits: tf.Tensor,
    sums: tf.Tensor,
    window: tuple[int, int],
    margin: tf.Tensor,
) -> tf.Tensor:
    """Decides by masking one window, and where that is not clear a second.

    Where all one-window decisions agree, that is the decision. Else the first
    window, in reading order, that disagrees with the majority and whose
    decision no second window changes, decides; else the majority.

    Args:
        patch_logits: Float32 (batch, rows, cols, classes).
        sums: Over each window.
        window: (rows, cols) of the windows.
        margin: Of rounding, (batch,).

    Returns:
        Int64 (batch,).
    """
    classes = patch_logits.shape[-1]
    totals = tf.reduce_sum(patch_logits, axis=(1, 2))
    one = tf.argmax(totals[:, None, None] - sums, axis=-1)
    by_place = tf.reshape(one, (one.shape[0], -1))
    counts = tf.math.bincount(
        tf.cast(by_place, tf.int32),
        minlength=classes,
        maxlength=classes,
        axis=-1,
    )
    majority = tf.argmax(counts, axis=-1)
    minorities = (counts > 0) & (tf.one_hot(majority, classes) == 0)
    images, class_ids = tf.unstack(tf.where(minorities), axis=-1)
    # Cheap, and nearly always enough: a second window, with which the
    # majority's class is ahead again.
    lead = _pair_leads(
        _leads(patch_logits, images, class_ids, tf.gather(majority, images)),
        window,
    )
    open_ = lead >= -tf.gather(margin, images)[:, None, None]
    open_ &= tf.gather(one, images) == class_ids[:, None, None]
    row, *place = tf.unstack(tf.where(open_), axis=-1)
    images, class_ids = tf.gather(images, row), tf.gather(class_ids, row)
    wins = _unanimous(patch_logits, images, class_ids, place, window)
    number = place[0] * one.shape[2] + place[1]
    last = by_place.shape[1]
    number = tf.where(wins, number, last)
    first = tf.math.unsorted_segment_min(number, images, one.shape[0])
    by_place = tf.concat([by_place, majority[:, None]], axis=1)
    return tf.gather(by_place, tf.minimum(first, last), batch_dims=1)


def certified_by_double_masking(
    patch_logits: tf.Tensor,
    sums: tf.Tensor,
    labels: tf.Tensor,
    window: tuple[int, int],
    margin: tf.Tensor,
) -> tf.Tensor:
    """Whether every pair of masked windows leaves the label ahead.

    Three tests, each on what the one before left open: single windows (a pair
    may be twice the same one) refute; a bound, the worst single window and the
    most positive lead in another one, proves; all pairs decide the rest, first
    against the class that comes closest.

    Args:
        patch_logits: Float32 (batch, rows, cols, classes).
        sums: Over each window.
        labels: Int (batch,).
        window: (rows, cols) of the windows.
        margin: What a sum must be ahead by, (batch,).

    Returns:
        Bool (batch,).
    """
    totals = tf.reduce_sum(patch_logits, axis=(1, 2))
    own = of_class(totals, labels)[:, None, None] - of_class(sums, labels)
    lead = own - others_largest(totals, sums, labels)
    certified = tf.reduce_all(lead > margin[:, None, None], axis=(1, 2))
    standing = tf.where(certified)[:, 0]
    patch_logits, totals, sums, labels, margin = (
        tf.gather(array, standing)
        for array in (patch_logits, totals, sums, labels, margin)
    )
    rest = totals[:, None, None] - sums
    slack = _slack(patch_logits, rest, labels, window) - margin[:, None]
    classes = patch_logits.shape[-1]
    is_closest = tf.one_hot(tf.argmin(slack, axis=-1), classes, True, False)
    survives = tf.ones_like(labels, tf.bool)
    for chosen in (is_closest, ~is_closest):
        rows = tf.where((slack <= 0) & chosen & survives[:, None])
        images, others = tf.unstack(rows, axis=-1)
        leads = _leads(patch_logits, images, tf.gather(labels, images), others)
        pair_leads = _pair_leads(leads, window)
        smallest = tf.reduce_min(pair_leads, axis=(1, 2))
        beaten = smallest <= tf.gather(margin, images)
        lost = tf.boolean_mask(images, beaten)[:, None]
        survives = tf.tensor_scatter_nd_update(
            survives, lost, tf.zeros_like(lost[:, 0], tf.bool)
        )
    return tf.tensor_scatter_nd_update(certified, standing[:, None], survives)


def _slack(patch_logits, rest, labels, window) -> tf.Tensor:
    """A lower bound of the label's lead over each class, (batch, classes).

    Of two windows, the second holds no more of the lead that is outside the
    first than its positive parts.
    """
    own = of_class(rest, labels)[..., None]
    one = tf.reduce_min(own - rest, axis=(1, 2))
    leads = of_class(patch_logits, labels)[..., None] - patch_logits
    positive = box_sums(tf.nn.relu(leads), window)
    bound = one - tf.reduce_max(positive, axis=(1, 2))
    return bound + tf.one_hot(labels, rest.shape[-1], np.inf, 0.0)


def _leads(patch_logits, images, class_ids, others) -> tf.Tensor:
    """By how much a class leads another in each patch, (rows, rows, cols).

    Args:
        patch_logits: Float32 (batch, rows, cols, classes).
        images: Which image, int64 (n,).
        class_ids: The class that leads, int64 (n,).
        others: The other class, int64 (n,).
    """
    by_class = tf.transpose(patch_logits, (0, 3, 1, 2))
    own, other = (
        tf.gather_nd(by_class, tf.stack([images, chosen], axis=-1))
        for chosen in (class_ids, others)
    )
    return own - other


def _pair_leads(leads, window) -> tf.Tensor:
    """The smallest lead outside a first window and any second one.

    Args:
        leads: (n, rows, cols).
        window: (rows, cols) of the windows.

    Returns:
        For each first window, (n, window rows, window cols).
    """
    sums = box_sums(leads[..., None], window)[..., 0]
    totals = tf.reduce_sum(leads, axis=(1, 2))[:, None, None]
    return totals - sums - largest_outside(leads, window)


def _unanimous(patch_logits, images, class_ids, place, window) -> tf.Tensor:
    """Whether no second window changes what a first one leaves.

    Args:
        patch_logits: Float32 (batch, rows, cols, classes).
        images: Which image, int64 (n,).
        class_ids: Its decision with the first window masked, int64 (n,).
        place: Row and column of the first window, each int64 (n,).
        window: (rows, cols) of the windows.

    Returns:
        Bool (n,).
    """
    results = [tf.zeros((0,), tf.bool)]
    at_once = images_at_once(patch_logits.shape[1:])
    for first in range(0, len(images), at_once):
        part = slice(first, first + at_once)
        inside = [
            (np.arange(cells) >= start[part, None])
            & (np.arange(cells) < start[part, None] + side)
            for cells, start, side in zip(
                patch_logits.shape[1:3], place, window, strict=True
            )
        ]
        hidden = inside[0][:, :, None] & inside[1][:, None, :]
        kept = tf.where(
            hidden[..., None], 0.0, tf.gather(patch_logits, images[part])
        )
        totals = tf.reduce_sum(kept, axis=(1, 2))[:, None, None]
        two = tf.argmax(totals - box_sums(kept, window), axis=-1)
        same = two == class_ids[part, None, None]
        results.append(tf.reduce_all(same, axis=(1, 2)))
    return tf.concat(results, axis=0)
