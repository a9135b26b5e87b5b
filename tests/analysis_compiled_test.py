"""A function is traced once for each size of images, and nobody is warned."""

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from bagnet_tf.analysis.compiled import Compiled
from tests.analysis_helpers import classifier_of
from tests.small_models import compute, random_images, tiny_model


class CompiledTest(absltest.TestCase):
    def test_traced_once_for_each_shape_but_that_of_the_batch(self):
        traced = []

        def doubled(images, weights):
            traced.append((tuple(images.shape), images.dtype.name))
            return 2 * images * weights

        function = Compiled(doubled)
        for shape in ((1, 4), (3, 4), (2, 5), (1, 4), (7, 5)):
            images = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
            found = function(
                tf.constant(images), tf.fill(shape[:1] + (1,), 3.0)
            )
            np.testing.assert_array_equal(found, 6 * images)
        function(tf.ones((2, 4), tf.float64), tf.ones((1, 1), tf.float64))
        self.assertEqual(
            traced,
            [((None, 4), "float32"), ((None, 5), "float32")]
            + [((None, 4), "float64")],
        )

    def test_gradients_pass_through(self):
        function = Compiled(lambda x: x**3)
        x = tf.constant([[2.0, 5.0]])
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        np.testing.assert_allclose(tape.gradient(y, x), [[12.0, 75.0]])

    def test_many_networks_are_no_reason_for_a_warning(self):
        images = random_images(20, 20)
        models = [tiny_model() for _ in range(7)]
        with self.assertNoLogs("tensorflow", "WARNING"):
            found = [classifier_of(model).logits(images) for model in models]
        expected = [compute(model, images) for model in models]
        np.testing.assert_allclose(found, expected, atol=1e-5)


if __name__ == "__main__":
    absltest.main()
