"""Trains on one device and on two replicas; prints how far they end apart.

A program of its own: logical devices must be made before TensorFlow starts.
"""

import json
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

from bagnet_tf import Architecture, BagNet, Stage
from tests.training_helpers import tiny_config
from train.optimization import build_optimizer
from train.step import train_step
from train.trainer import train
from train.twin import training_twin

# Two blocks: in a deep network rounding alone would drive the two apart.
_ARCHITECTURE = Architecture("tiny", (Stage((3,), 16, 2), Stage((1,), 16, 2)))


def _three_steps(strategy):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, 33, 33, 3)).astype(np.uint8)
    labels = np.eye(10, dtype=np.float32)[:8]
    batches = tf.data.Dataset.from_tensors((images, labels)).repeat(3)
    config = tiny_config(batch_size=8)
    schedule = keras.optimizers.schedules.ExponentialDecay(0.05, 1, 1.0)
    model = BagNet(_ARCHITECTURE, classes=10)
    with strategy.scope():
        twin = training_twin(model, strategy.num_replicas_in_sync)
        optimizer = build_optimizer(twin, schedule, config)
    step = train_step(strategy, twin, optimizer, config)
    batches = batches.unbatch().batch(8)
    for batch in strategy.experimental_distribute_dataset(batches):
        loss, _ = step(*batch)
    return float(loss), [np.array(w.value) for w in twin.weights]


def main(workdir):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    loss_one, one = _three_steps(tf.distribute.get_strategy())
    loss_two, two = _three_steps(mirrored)
    config = tiny_config(train_split="train[:8]", epochs=1, warmup_epochs=0)
    result = train(config, workdir, strategy=mirrored)
    differences = {
        "replicas": mirrored.num_replicas_in_sync,
        "loss": abs(loss_two - loss_one),
        "weights": max(
            float(np.abs(b - a).max() / np.abs(a).max())
            for a, b in zip(one, two, strict=True)
        ),
        "finished": result.finished,
        "model": (pathlib.Path(workdir) / "model.keras").is_file(),
    }
    print(json.dumps(differences))


if __name__ == "__main__":
    main(sys.argv[1])
