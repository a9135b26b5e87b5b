import math

import keras
import numpy as np
import tensorflow as tf
from absl.testing import absltest

from bagnet_tf import BagNet9
from tests.training_helpers import tiny_config
from train.optimization import build_optimizer, learning_rate_schedule


class LearningRateTest(absltest.TestCase):
    def test_linear_then_cosine(self):
        config = tiny_config(epochs=5, warmup_epochs=1, learning_rate=0.4)
        schedule = learning_rate_schedule(config, steps_per_epoch=10)
        for step, expected in (
            (0, 0.0),
            (5, 0.2),
            (10, 0.4),
            (20, 0.2 * (1 + math.cos(math.pi / 4))),
            (30, 0.2),
            (50, 0.0),
        ):
            self.assertAlmostEqual(float(schedule(step)), expected, places=6)

    def test_without_warm_up(self):
        config = tiny_config(epochs=2, warmup_epochs=0, learning_rate=0.4)
        schedule = learning_rate_schedule(config, steps_per_epoch=10)
        self.assertAlmostEqual(float(schedule(0)), 0.4, places=6)
        self.assertAlmostEqual(float(schedule(10)), 0.2, places=6)

    def test_steps(self):
        config = tiny_config(
            epochs=90,
            warmup_epochs=0,
            decay_epochs=(30, 60),
            learning_rate=0.4,
        )
        schedule = learning_rate_schedule(config, steps_per_epoch=10)
        for step, expected in (
            (0, 0.4),
            (299, 0.4),
            (301, 0.04),
            (601, 0.004),
            (900, 0.004),
        ):
            self.assertAlmostEqual(float(schedule(step)), expected, places=6)

    def test_steps_after_a_warm_up(self):
        config = tiny_config(epochs=9, warmup_epochs=1, decay_epochs=(3,))
        with self.assertRaisesRegex(ValueError, "warmup_epochs must be 0"):
            learning_rate_schedule(config, steps_per_epoch=10)


class OptimizerTest(absltest.TestCase):
    def test_weight_decay_shrinks_kernels_only(self):
        model = BagNet9(classes=3, width=0.05)
        for variable in model.trainable_variables:
            variable.assign(tf.ones_like(variable))
        config = tiny_config(weight_decay=0.1)
        schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 1, 1.0)
        optimizer = build_optimizer(model, schedule, config)
        variables = model.trainable_variables
        optimizer.apply([tf.zeros_like(v) for v in variables], variables)
        for variable in variables:
            # Decoupled: learning rate 0.5 times decay 0.1.
            expected = 0.95 if variable.name == "kernel" else 1.0
            np.testing.assert_allclose(variable, expected, rtol=1e-6)

    def test_nesterov_step(self):
        model = BagNet9(classes=3, width=0.05)
        config = tiny_config(weight_decay=0.0, momentum=0.9, nesterov=True)
        schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 1, 1.0)
        optimizer = build_optimizer(model, schedule, config)
        variables = model.trainable_variables
        before = variables[0].numpy()
        optimizer.apply([tf.ones_like(v) for v in variables], variables)
        # v = -0.5; w += 0.9 v - 0.5.
        np.testing.assert_allclose(variables[0], before - 0.95, rtol=1e-5)


if __name__ == "__main__":
    absltest.main()
