"""What is one training step? Loss, gradients, update, on every replica."""

from collections.abc import Callable, Sequence

import keras
import ml_collections
import tensorflow as tf

from .objective import Objective

PRECISIONS = ("float32", "bfloat16", "float16")
JIT_COMPILE = ("auto", "on", "off")


def train_steps(
    strategy: tf.distribute.Strategy,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    objective: Objective,
    config: ml_collections.ConfigDict,
    average: Sequence[tf.Variable] = (),
) -> Callable[[tf.data.Iterator, tf.Tensor], tf.Tensor]:
    """Makes the function that moves the weights by some steps.

    In a step each replica takes its share of the global batch, in
    `config.accumulation_steps` parts one after the other, whose gradients add
    up. Gradients are summed over the replicas before their norm is clipped.

    Args:
        strategy: Whose scope holds model and optimizer.
        model: The network that is trained; it puts out logits.
        optimizer: Built for its trainable variables.
        objective: What is minimised.
        config: See `train/configs`.
        average: Moving averages of `model.weights`, or none. Each follows its
            weight with `config.ema_momentum`, in the first steps faster.

    Returns:
        A function of an iterator of batches, (possibly distributed) images
        and one-hot labels, and of a number of steps, int32, that gives the
        sums over these steps of the batch's mean loss and accuracy, (2,).

    Raises:
        ValueError: If a configuration does not fit strategy or model.
    """
    replica_step = _replica_step(strategy, model, optimizer, objective, config)
    if _compiles(strategy, config):
        replica_step = tf.function(replica_step, jit_compile=True)

    @tf.function
    def steps(iterator, count):
        totals = tf.zeros(2)
        for _ in tf.range(count):
            images, labels = next(iterator)
            values = strategy.run(replica_step, args=(images, labels))
            totals += tf.stack(
                [
                    strategy.reduce(tf.distribute.ReduceOp.SUM, v, axis=None)
                    for v in values
                ]
            )
            if average:
                _follow(average, model, optimizer, config.ema_momentum)
        return totals

    return steps


def set_precision(precision: str) -> str | None:
    """Prepares TensorFlow for graphs that are made from now on.

    On a CPU it runs their convolutions in bfloat16 by itself, if told so.

    Args:
        precision: One of `PRECISIONS`.

    Returns:
        The dtype policy that the layers must have; `None` for their own.
    """
    on_cpu = not tf.config.list_logical_devices("GPU")
    tf.config.optimizer.set_experimental_options(
        {
            "auto_mixed_precision_onednn_bfloat16": on_cpu
            and precision == "bfloat16"
        }
    )
    if precision == "float32" or (on_cpu and precision == "bfloat16"):
        return None
    return f"mixed_{precision}"


def _compiles(strategy, config) -> bool:
    """Whether XLA compiles the step: by default on a GPU that is alone.

    There most of the time goes into what is between the convolutions, which
    XLA fuses. On CPUs oneDNN is faster, and replicas cannot talk to each other
    within what XLA compiles.
    """
    wanted, replicas = config.jit_compile, strategy.num_replicas_in_sync
    if wanted not in JIT_COMPILE or (wanted == "on" and replicas > 1):
        raise ValueError(
            f"config.jit_compile must be one of {', '.join(JIT_COMPILE)}, and "
            f"'on' needs one replica. Received: {wanted!r} with {replicas}"
        )
    if wanted == "auto":
        return replicas == 1 and bool(tf.config.list_logical_devices("GPU"))
    return wanted == "on"


def _replica_step(strategy, model, optimizer, objective, config):
    network = objective.network(model)
    variables = model.trainable_variables
    factors = _learning_rate_factors(variables, config)

    def gradients_of(images, labels, seed):
        with tf.GradientTape() as tape:
            outputs = network(images, training=True)
            losses = objective(images, labels, outputs, seed)
            # The mean over the global batch, in parts that add up.
            loss = tf.reduce_sum(losses) / config.batch_size
            scaled = optimizer.scale_loss(loss)
        correct = objective.accuracies(labels, outputs)
        values = [loss, tf.reduce_sum(correct) / config.batch_size]
        gradients = tape.gradient(scaled, variables)
        gradients = [
            gradient if factor == 1 else factor * gradient
            for gradient, factor in zip(gradients, factors, strict=True)
        ]
        return gradients, values

    def replica_step(images, labels):
        count = config.accumulation_steps
        done = None
        for part in zip(
            tf.split(images, count),
            tf.split(labels, count),
            _seeds(optimizer, config),
            strict=True,
        ):
            # One after the other, so that only one part is in memory.
            with tf.control_dependencies(done[0] if done else []):
                part = [tf.identity(tensor) for tensor in part]
            new = gradients_of(*part)
            done = tf.nest.map_structure(tf.add, done, new) if done else new
        gradients, values = done
        if config.global_clipnorm or config.precision == "float16":
            gradients = _averaged(strategy, gradients)
        optimizer.apply(gradients, variables)
        return values

    return replica_step


def _seeds(optimizer, config) -> list[tf.Tensor]:
    """One of each part of this replica's batch, each int32 (2,).

    By the number of the step alone, so that a resumed run draws the same.
    """
    context = tf.distribute.get_replica_context()
    replica = tf.cast(context.replica_id_in_sync_group, tf.int32)
    step = tf.cast(optimizer.iterations, tf.int32)
    parts = config.accumulation_steps
    first = (step * context.num_replicas_in_sync + replica) * parts
    numbers = first + tf.range(parts)
    return [tf.stack([config.seed, number]) for number in tf.unstack(numbers)]


def _learning_rate_factors(variables, config) -> list[float]:
    """What the gradient of each variable is multiplied by.

    With SGD that is what its learning rate would be multiplied by.
    """
    factors = dict(config.learning_rate_factors)
    paths = [variable.path for variable in variables]
    for prefix in factors:
        if not any(path.startswith(prefix) for path in paths):
            raise ValueError(
                "config.learning_rate_factors must be by how paths of weights "
                f"begin, such as {paths[0]!r}. Received: {prefix!r}"
            )
    return [
        factors.get(
            max(filter(path.startswith, factors), key=len, default=None), 1.0
        )
        for path in paths
    ]


def _averaged(strategy, gradients):
    """The mean over replicas: the optimizer's sum of these is as before.

    So that all replicas clip alike, and agree whether a gradient overflowed.
    """
    if strategy.num_replicas_in_sync == 1:
        return gradients
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, gradients)


def _follow(average, model, optimizer, momentum):
    """Moves averages towards the weights."""
    step = tf.cast(optimizer.iterations, tf.float32)
    momentum = tf.minimum(momentum, (1 + step) / (10 + step))
    for mean, weight in zip(average, model.weights, strict=True):
        mean.assign(momentum * mean + (1 - momentum) * weight.value)
