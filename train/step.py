"""What is one training step? Loss, gradients, update, on every replica."""

from collections.abc import Callable

import keras
import ml_collections
import tensorflow as tf


def train_step(
    strategy: tf.distribute.Strategy,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    config: ml_collections.ConfigDict,
) -> Callable[[tf.Tensor, tf.Tensor], list[tf.Tensor]]:
    """Makes the function that moves the weights by one step.

    Args:
        strategy: Whose scope holds model and optimizer.
        model: The network that is trained; it puts out logits.
        optimizer: Built for its trainable variables.
        config: See `train/configs`.

    Returns:
        A function of one global batch, (possibly distributed) images and
        one-hot labels, that gives its mean loss and accuracy.
    """
    automatic_bfloat16(config.bfloat16)
    loss_of = keras.losses.CategoricalCrossentropy(
        from_logits=True,
        label_smoothing=config.label_smoothing,
        reduction=None,
    )

    def replica_step(images, labels):
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            losses = loss_of(labels, logits)
            # The mean over the global batch, in parts that add up.
            loss = tf.reduce_sum(losses) / config.batch_size
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        correct = keras.metrics.categorical_accuracy(labels, logits)
        return loss, tf.reduce_sum(correct) / config.batch_size

    @tf.function
    def step(images, labels):
        values = strategy.run(replica_step, args=(images, labels))
        return [
            strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None)
            for value in values
        ]

    return step


def automatic_bfloat16(enabled: bool) -> None:
    """Lets TensorFlow run convolutions of later graphs in bfloat16 (CPU)."""
    tf.config.optimizer.set_experimental_options(
        {"auto_mixed_precision_onednn_bfloat16": enabled}
    )
