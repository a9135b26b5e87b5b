"""Trains a few steps under a strategy and writes where the weights end.

A program of its own: devices must be made before TensorFlow starts. Arguments:
network, strategy, number of replicas of the CPU, .npz file to write, and
changes of the configuration as JSON.
"""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

from bagnet_tf import Architecture, BagNet, Stage
from bagnet_tf.datasets import image_source
from tests.training_helpers import tiny_config
from train.class_weights import weights_of_classes
from train.objective import Objective
from train.optimization import build_optimizer
from train.pipeline import training_batches
from train.step import set_precision, train_steps
from train.strategies import make_strategy
from train.twin import training_twin

_STEPS = 2


def _bagnet():
    # Two blocks: in a deep network rounding alone would drive two runs apart.
    stages = Stage((3,), 16, 2), Stage((1,), 16, 2)
    return BagNet(Architecture("tiny", stages), classes=10)


def _without_normalization():
    """A network in which an example does not depend on the others."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((64, 64, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, 5, strides=4, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10),
        ]
    )


def _teacher():
    """Another network of random weights, the same in every process."""
    keras.utils.set_random_seed(1)
    return _without_normalization()


_NETWORKS = {
    "bagnet": _bagnet,
    "without_normalization": _without_normalization,
}


def main(network, name, cpu_replicas, output, changes):
    strategy = make_strategy(name, int(cpu_replicas))
    config = tiny_config(**json.loads(changes))
    schedule = keras.optimizers.schedules.ExponentialDecay(0.05, 1, 1.0)
    teacher = _teacher() if config.distillation_weight else None
    keras.utils.set_random_seed(0)
    model = _NETWORKS[network]()
    replicas = strategy.num_replicas_in_sync
    policy = set_precision(config.precision)
    with strategy.scope():
        twin = training_twin(model, replicas, policy)
        optimizer = build_optimizer(twin, schedule, config, replicas)
        average = [
            tf.Variable(weight.value)
            for weight in twin.weights
            if config.ema_momentum
        ]
    source = image_source("glyphs")
    weights = weights_of_classes(config, source)
    objective = Objective(config, teacher, weights)
    steps = train_steps(strategy, twin, optimizer, objective, config, average)
    batches = strategy.distribute_datasets_from_function(
        lambda context: training_batches(source, config, 0, context=context)
    )
    values = steps(iter(batches), tf.constant(_STEPS))
    arrays = {
        f"weight {index} {weight.path}": weight.numpy()
        for index, weight in enumerate(twin.weights)
    }
    for index, mean in enumerate(average):
        arrays[f"average {index}"] = mean.numpy()
    np.savez(output, replicas=replicas, values=values.numpy(), **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
