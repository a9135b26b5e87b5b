"""Detection: does some masked decision differ? Then alert, do not decide.

Source: Xiang & Mittal, PatchGuard++, 2021. An attack on a certified image is
either without effect or raises an alert.
"""

import tensorflow as tf

from bagnet_tf.certification.rounding import of_class, others_largest


def alerts_and_certified(
    patch_logits: tf.Tensor,
    sums: tf.Tensor,
    labels: tf.Tensor | None,
    threshold: float,
    margin: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The plain decision, which images raise an alert, which are certified.

    Certified is a label that is the plain decision and that of every masked
    image, each with a confidence above the threshold: masking the attacker's
    window gives the same as masking it in the clean image, so an attacked
    decision that differs meets a confident one, and there is an alert.

    Args:
        patch_logits: Float32 (batch, rows, cols, classes).
        sums: Over each window.
        labels: Int (batch,), or None for the plain decisions.
        threshold: The confidence above which a masked decision counts.
        margin: What a sum must be ahead by, (batch,).

    Returns:
        Decisions, int64 (batch,); alerts and certified, bool (batch,).
    """
    cells = float(patch_logits.shape[1] * patch_logits.shape[2])
    totals = tf.reduce_sum(patch_logits, axis=(1, 2))
    decisions = tf.argmax(totals, axis=-1)
    labels = decisions if labels is None else labels
    masked = (totals[:, None, None] - sums) / cells
    margin = margin[:, None, None] / cells
    others = others_largest(totals, sums, labels) / cells
    mass = tf.reduce_logsumexp(masked, axis=-1)
    confident = tf.exp(tf.reduce_max(masked, axis=-1) - mass) > threshold
    differs = tf.argmax(masked, axis=-1) != decisions[:, None, None]
    alerts = tf.reduce_any(confident & differs, axis=(1, 2))
    own = of_class(masked, labels)
    ahead = own - others > margin
    # A logit that is wrong by d changes a probability by less than d.
    sure = ahead & (tf.exp(own - mass) - threshold > margin)
    return decisions, alerts, tf.reduce_all(sure, axis=(1, 2))
