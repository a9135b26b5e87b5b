"""Is the network that BagNets are compared with what it should be?"""

import numpy as np
import tensorflow as tf
from absl.testing import absltest

import bagnet_tf
from tests.small_models import random_images


class ControlTest(absltest.TestCase):
    def test_parameters_are_those_of_resnet50_but_for_the_stem(self):
        model = bagnet_tf.BagNet(bagnet_tf.CONTROL)
        sizes = [int(np.prod(w.shape)) for w in model.trainable_weights]
        # torchvision's ResNet-50, its 7x7 stem against ours of 1x1 and 3x3.
        self.assertEqual(
            sum(sizes), 25_557_032 - 7 * 7 * 3 * 64 + 3 * 64 + 3 * 3 * 64 * 64
        )

    def test_receptive_field_is_177(self):
        model = bagnet_tf.BagNet(
            bagnet_tf.CONTROL, include_top=False, width=0.05
        )
        image = tf.Variable(random_images(201, 201))
        with tf.GradientTape() as tape:
            middle = tf.reduce_sum(model(image)[0, 13, 13])
        seen = np.abs(tape.gradient(middle, image)).sum(axis=(0, 2, 3)) > 0
        rows = np.flatnonzero(seen)
        # 8 * 13 = 104 is where the cell is; 88 pixels on either side.
        self.assertEqual((rows[0], rows[-1]), (104 - 88, 104 + 88))

    def test_grid_covers_images_smaller_than_the_receptive_field(self):
        model = bagnet_tf.BagNet(
            bagnet_tf.CONTROL, include_top=False, width=0.05
        )
        shape = model(random_images(65, 65)).shape
        self.assertEqual(tuple(shape[1:3]), (9, 9))

    def test_it_has_no_patches(self):
        model = bagnet_tf.BagNet(bagnet_tf.CONTROL, classes=3, width=0.05)
        self.assertIsNone(bagnet_tf.CONTROL.geometry)
        with self.assertRaisesRegex(ValueError, "model must be a BagNet"):
            bagnet_tf.geometry_of(model)

    def test_padding_is_valid_or_same(self):
        with self.assertRaisesRegex(ValueError, "Received: padding='full'"):
            bagnet_tf.Architecture(
                "x", bagnet_tf.CONTROL.stages, padding="full"
            )

    def test_without_padding(self):
        stages = tuple(
            bagnet_tf.Stage((3,) * len(s.kernel_sizes), s.channels, s.stride)
            for s in bagnet_tf.BAGNET33.stages
        )
        architecture = bagnet_tf.Architecture("control", stages)
        model = bagnet_tf.BagNet(architecture, width=1 / 16, classes=2)
        geometry = bagnet_tf.geometry_of(model)
        # The distance of neighbouring cells before each 3x3 convolution.
        steps = [1] * 2 + [2] * 3 + [4] * 4 + [8] * 8
        self.assertEqual(geometry.receptive_field, 1 + 2 * sum(steps))
        self.assertEqual(geometry.stride, 8)


if __name__ == "__main__":
    absltest.main()
