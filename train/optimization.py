"""How are the weights moved? Learning-rate schedule and optimizer."""

import keras
import ml_collections


def learning_rate_schedule(
    config: ml_collections.ConfigDict, steps_per_epoch: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Linear warm-up, then a cosine to zero at the last step; or steps.

    With `config.decay_epochs` the learning rate is a tenth after each of
    these epochs instead, from the start and without a warm-up.

    Raises:
        ValueError: If the warm-up is not shorter than the training, or there
            is one before steps.
    """
    if not 0 <= config.warmup_epochs < config.epochs:
        raise ValueError(
            f"config.warmup_epochs must be in [0, {config.epochs}), less than "
            "config.epochs. "
            f"Received: config.warmup_epochs={config.warmup_epochs}"
        )
    if config.decay_epochs:
        if config.warmup_epochs:
            raise ValueError(
                "config.warmup_epochs must be 0 where config.decay_epochs are "
                "given. "
                f"Received: config.warmup_epochs={config.warmup_epochs}"
            )
        return keras.optimizers.schedules.PiecewiseConstantDecay(
            [epoch * steps_per_epoch for epoch in config.decay_epochs],
            [
                config.learning_rate * 0.1**count
                for count in range(len(config.decay_epochs) + 1)
            ],
        )
    warmup_steps = round(config.warmup_epochs * steps_per_epoch)
    decay_steps = config.epochs * steps_per_epoch - warmup_steps
    if not warmup_steps:
        return keras.optimizers.schedules.CosineDecay(
            config.learning_rate, decay_steps
        )
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps,
        warmup_target=config.learning_rate,
        warmup_steps=warmup_steps,
    )


def build_optimizer(
    model: keras.Model,
    schedule: keras.optimizers.schedules.LearningRateSchedule,
    config: ml_collections.ConfigDict,
    num_replicas: int = 1,
) -> keras.optimizers.Optimizer:
    """SGD with momentum; weight decay spares normalisation and biases.

    Keras's weight decay is decoupled: a weight shrinks by
    learning_rate * weight_decay a step, whatever its gradient. In float16
    losses are scaled, so that small gradients do not vanish.

    Args:
        model: What is trained.
        schedule: The learning rate.
        config: See `train/configs`.
        num_replicas: Over how many the gradients are summed: each replica
            clips the mean over them to its share of `global_clipnorm`.

    Returns:
        The optimizer, built for the trainable variables of `model`.
    """
    optimizer = keras.optimizers.SGD(
        schedule,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay or None,
        global_clipnorm=config.global_clipnorm / num_replicas or None,
    )
    if config.weight_decay:
        spared = [v for v in model.trainable_variables if v.name != "kernel"]
        optimizer.exclude_from_weight_decay(var_list=spared)
    if config.precision == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(model.trainable_variables)
    return optimizer
